#include "app/workers.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "app/worker_peers.hpp"
#include "base/log.hpp"
#include "wg/aead.hpp"

namespace culvert::app {

namespace log = base::log;
using boost::system::error_code;

namespace {

// A worker answers a list of flows in many lines; one that does not end is not one of ours.
constexpr std::size_t most_flows = 1 << 20;

// For a worker that was asked to end.
constexpr auto end_patience = std::chrono::seconds(3);

}  // namespace

Workers::Workers(boost::asio::io_context& io, Runtime& runtime, Events& events)
    : io_(io), runtime_(runtime), events_(events) {
  WorkerProcess::Events& process_events = *this;
  for (unsigned i = 0; i < runtime.workers; ++i) slots_.emplace_back(io, process_events);
}

Workers::~Workers() {
  kill();
}

void Workers::start() {
  for (unsigned i = 0; i < slots_.size(); ++i) start_worker(i);
}

void Workers::start_worker(unsigned index) {
  Slot& slot = slots_[index];
  slot.started = base::BootClock::now();
  slot.ready = slot.asked = false;
  // Both sides number from here.
  for (const control::Peer* peer : runtime_.registry.peers())
    client_policy(peer->entry, runtime_.numbers);
  slot.rules_known = runtime_.numbers.egress.last();
  slot.dns_policies_known = runtime_.numbers.dns.last();
  load_trust(runtime_);
  slot.process.start({.index = index, .runtime = runtime_, .control = {}, .tables = {}});
}

void Workers::order(unsigned worker, Order::What what, OnAnswer on_answer) {
  Slot& slot = slots_[worker];
  if (!slot.process.running()) {
    boost::asio::post(io_, [on_answer = std::move(on_answer)] { on_answer({}); });
    return;
  }
  const std::uint64_t number = ++last_order_;
  slot.pending.emplace(number, Pending{std::move(on_answer), {}});
  if (slot.asked) return;  // it is done when this one has ended
  tell_new_policies(slot);
  // One that reads nothing any more while so much waits for it has hung: the next one knows all.
  const auto* use = std::get_if<UseRules>(&what);
  const bool has_table = !use || !use->any || slot.process.send_table(runtime_.rule_table.get());
  if (!has_table || !slot.process.send({number, std::move(what)})) slot.process.kill();
}

void Workers::tell_new_policies(Slot& slot) {
  const PolicyNumbers& numbers = runtime_.numbers;
  while (slot.rules_known < numbers.egress.last()) {
    const std::uint64_t number = ++slot.rules_known;
    const auto rules = numbers.egress.find(number);
    if (rules) slot.process.send({++last_order_, SetRules{number, *rules}});
  }
  while (slot.dns_policies_known < numbers.dns.last()) {
    const std::uint64_t number = ++slot.dns_policies_known;
    const auto policy = numbers.dns.find(number);
    if (policy) slot.process.send({++last_order_, SetDnsPolicy{number, *policy}});
  }
}

void Workers::restart(unsigned worker, std::function<void()> on_ready) {
  Slot& slot = slots_[worker];
  slot.on_ready.push_back(std::move(on_ready));
  if (!slot.process.running()) return;  // it is on its way already
  slot.asked = true;
  slot.process.stop();
  slot.restart.expires_after(end_patience);
  slot.restart.async_wait([&slot](error_code error) {
    if (!error && slot.asked) slot.process.kill();
  });
}

void Workers::on_worker_message(unsigned worker, const ControlMessage& message) {
  if (const auto* ready = std::get_if<Ready>(&message)) return on_ready(worker, *ready);
  if (const auto* failed = std::get_if<Failed>(&message))
    return log::error("worker {} could not start: {}", worker, failed->error);
  if (const auto* done = std::get_if<Done>(&message)) return on_done(slots_[worker], *done);
  if (const auto* flows = std::get_if<FlowList>(&message)) return on_flows(slots_[worker], *flows);
  events_.on_peer_report(worker, message);
}

void Workers::on_ready(unsigned worker, const Ready& ready) {
  Slot& slot = slots_[worker];
  if (slot.was_ready && !slot.ready) log::info("worker {} is back", worker);
  slot.ready = slot.was_ready = true;
  slot.said = ready;
  events_.on_worker_ready(worker, ready);
  for (auto& on_ready : std::exchange(slot.on_ready, {})) on_ready();
}

void Workers::on_done(Slot& slot, const Done& done) {
  const auto found = slot.pending.find(done.order);
  if (found == slot.pending.end()) return;
  Pending pending = std::move(found->second);
  slot.pending.erase(found);
  pending.on_answer({done.error, std::move(pending.flows)});
}

void Workers::on_flows(Slot& slot, const FlowList& list) {
  const auto found = slot.pending.find(list.order);
  if (found == slot.pending.end()) return;
  auto& flows = found->second.flows;
  const std::size_t room = most_flows - std::min(most_flows, flows.size());
  flows.insert(flows.end(), list.flows.begin(),
               list.flows.begin() + std::ptrdiff_t(std::min(room, list.flows.size())));
}

void Workers::answer_all(Slot& slot) {
  for (auto& [number, pending] : std::exchange(slot.pending, {}))
    pending.on_answer({{}, std::move(pending.flows)});
}

void Workers::on_worker_end(unsigned worker, const std::string& how) {
  Slot& slot = slots_[worker];
  slot.ready = false;
  answer_all(slot);
  if (stopping_) {
    if (slot.was_ready && how != "exit code 0") log::warn("worker {}: {}", worker, how);
    return finish_if_stopped();
  }
  if (slot.asked) return start_again(worker, {});
  log::error("worker {} ended: {}", worker, how);
  if (slot.was_ready) start_again(worker, slot.backoff.next(base::BootClock::now() - slot.started));
  events_.on_worker_lost(worker, how, slot.was_ready);
}

void Workers::start_again(unsigned worker, base::Duration after) {
  Slot& slot = slots_[worker];
  slot.restart.expires_after(after);
  slot.restart.async_wait([this, worker](error_code error) {
    if (error || stopping_) return;
    try {
      start_worker(worker);
    } catch (const std::exception& failure) {
      slots_[worker].asked = false;
      on_worker_end(worker, failure.what());
    }
  });
}

void Workers::stop() {
  if (std::exchange(stopping_, true)) return;
  for (Slot& slot : slots_) slot.restart.cancel(), slot.process.stop();
  finish_if_stopped();
}

void Workers::kill() noexcept {
  for (Slot& slot : slots_) slot.process.kill();
}

void Workers::reap() {
  for (Slot& slot : slots_) slot.process.reap();
}

bool Workers::ready() const noexcept {
  return std::ranges::all_of(slots_, &Slot::ready);
}

void Workers::finish_if_stopped() {
  if (std::ranges::any_of(slots_, [](const Slot& slot) { return slot.process.running(); })) return;
  events_.on_all_stopped();
}

std::vector<control::WorkerState> Workers::states() const {
  std::vector<control::WorkerState> all;
  for (unsigned i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    all.push_back({.index = i,
                   .pid = std::max(slot.process.pid(), 0),
                   .ready = slot.ready,
                   .aead = std::string(wg::aead().name()),
                   .gso = slot.said.gso,
                   .gro = slot.said.gro,
                   .sandbox = slot.said.sandbox});
  }
  return all;
}

}  // namespace culvert::app
