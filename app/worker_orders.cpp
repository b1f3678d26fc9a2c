#include "app/worker_orders.hpp"

#include <algorithm>

#include "app/limit_shares.hpp"
#include "base/log_level.hpp"

namespace culvert::app {

WorkerOrders::~WorkerOrders() {
  while (!lines_.empty()) wipe_next();
}

void WorkerOrders::wipe_next() noexcept {
  waiting_ -= lines_.front().size();
  base::wipe(std::as_writable_bytes(std::span(lines_.front())));
  lines_.pop_front();
}

void WorkerOrders::accept(std::string& line) {
  waiting_ += line.size();
  lines_.push_back(std::move(line));
  if (waiting_ > most_waiting) channel_->hold(true);
}

bool WorkerOrders::run(base::Time now) {
  if (lines_.empty() && listings_.empty()) return false;
  for (int i = 0; i < orders_a_turn && !lines_.empty(); ++i) carry_out_next(now);
  if (waiting_ <= most_waiting) channel_->hold(false);
  if (!listings_.empty()) send_flows();
  return !lines_.empty() || !listings_.empty();
}

void WorkerOrders::carry_out_next(base::Time now) {
  auto order = parse_order(lines_.front());
  wipe_next();
  if (!order) {  // the supervisor and its workers are one program: this is not one of its lines
    base::log::error("an order that cannot be read");
    return parts_.stop();
  }
  if (const auto* list = std::get_if<ListFlows>(&order->what))
    return list_flows(order->number, *list);
  const std::string error = carry_out(*order, now);
  channel_->send(to_line(Done{order->number, error}));
}

std::string WorkerOrders::carry_out(Order& order, base::Time now) {
  if (std::holds_alternative<StopWorker>(order.what)) return parts_.stop(), "";
  if (auto* add = std::get_if<AddPeer>(&order.what)) return parts_.peers.add(std::move(*add), now);
  if (auto* change = std::get_if<ChangePeer>(&order.what))
    return parts_.peers.change(std::move(*change), now);
  if (const auto* remove = std::get_if<RemovePeer>(&order.what))
    return parts_.peers.remove(remove->slot);
  if (auto done = parts_.dns.carry_out(order.what)) return *done;
  if (const auto* change = std::get_if<ChangeRoutes>(&order.what)) {
    for (const auto& [prefix, to] : change->removed) parts_.routes.remove(prefix, to.peer);
    for (const auto& [prefix, to] : change->added) parts_.routes.add(prefix, to);
  } else if (auto* set = std::get_if<SetRules>(&order.what)) {
    parts_.rules.set(set->number,
                     std::make_shared<const proxy::EgressRules>(std::move(set->rules)));
  } else if (const auto* forget = std::get_if<ForgetRules>(&order.what)) {
    for (const std::uint64_t number : forget->numbers) parts_.rules.forget(number);
  } else if (auto* globals = std::get_if<ChangeGlobals>(&order.what)) {
    base::log::set_level(globals->log_level);
    parts_.proxy.update_policy(std::move(globals->egress),
                               limits_per_worker(globals->limits, parts_.workers));
  }
  return {};
}

void WorkerOrders::list_flows(std::uint64_t order, const ListFlows& what) {
  Listing listing{order, {}, 0};
  const auto each = [&](const proxy::FlowRecord& flow) {
    if (listing.flows.size() < what.limit) listing.flows.push_back(flow);
  };
  if (!what.slot)
    parts_.proxy.list_flows(each);
  else if (const proxy::Client* client = parts_.peers.client(*what.slot))
    parts_.proxy.list_flows(*client, each);
  listings_.push_back(std::move(listing));
}

void WorkerOrders::send_flows() {
  Listing& listing = listings_.front();
  const std::size_t part = std::min(flows_a_line, listing.flows.size() - listing.sent);
  if (part > 0) {
    FlowList message{listing.order, {}};
    const auto from = listing.flows.begin() + std::ptrdiff_t(listing.sent);
    message.flows.assign(from, from + std::ptrdiff_t(part));
    if (!channel_->send(to_line(message))) return;  // it waits until the supervisor has read some
    listing.sent += part;
  }
  if (listing.sent < listing.flows.size()) return;
  if (channel_->send(to_line(Done{listing.order, {}}))) listings_.pop_front();
}

}  // namespace culvert::app
