// What an EchoFlow tells of each origin it pings, and what a new policy makes of it.
#include <algorithm>

#include "proxy/context.hpp"
#include "proxy/echo_flow.hpp"

namespace culvert::proxy {

EchoFlow::Origin& EchoFlow::origin(const base::IpAddress& address) {
  for (Origin& each : origins_)
    if (each.address == address) return each;
  FlowTally fresh{.span = context_.reporter.begin(context_.now()),
                  .last = context_.now(),
                  .up = {},
                  .down = {}};
  fresh.span.domain = context_.domain_of(client_, address);
  if (origins_.size() < max_origins) return origins_.emplace_back(Origin{address, fresh});
  Origin& replaced = origins_[oldest_origin_];
  oldest_origin_ = (oldest_origin_ + 1) % max_origins;
  report_end(replaced, FlowRecord::End::lack);
  return replaced = {address, fresh};
}

bool EchoFlow::pings(const base::IpAddress& address) const noexcept {
  return std::ranges::any_of(origins_, [&](const Origin& each) { return each.address == address; });
}

void EchoFlow::count_down(const base::IpAddress& from, netstack::Packets sent,
                          std::size_t bytes) noexcept {
  for (Origin& each : origins_) {
    if (each.address != from) continue;
    each.tally.count(each.tally.down, sent, context_.now());
    each.tally.down.payload += bytes;
    return;
  }
}

FlowRecord EchoFlow::record(const Origin& origin, FlowRecord::End end) const noexcept {
  const auto protocol = from_.address.is_v4() ? base::Protocol::icmp : base::Protocol::icmp6;
  FlowRecord record = context_.reporter.describe(client_, {from_, {origin.address, 0}, protocol},
                                                 origin.tally, context_.now());
  record.end = end;
  const bool over = end != FlowRecord::End::none && end != FlowRecord::End::interim;
  record.state = over ? FlowRecord::State::closed : FlowRecord::State::open;
  return record;
}

void EchoFlow::report_end(const Origin& origin, FlowRecord::End why) noexcept {
  if (context_.reporter.wanted()) context_.reporter.push(record(origin, why));
}

base::Time EchoFlow::run_interim(base::Time now) noexcept {
  base::Time next = base::never;
  if (!context_.reporter.wanted()) return next;
  for (Origin& each : origins_) {
    if (context_.reporter.take_interim(each.tally.span, each.tally.last, now))
      context_.reporter.push(record(each, FlowRecord::End::interim));
    next = std::min(next, context_.reporter.next_interim(each.tally.span));
  }
  return next;
}

void EchoFlow::each_record(const Proxy::EachRecord& each) const {
  if (closed_) return;
  for (const Origin& one : origins_) each(record(one, FlowRecord::End::none));
}

// Every request asks the policy for itself; here only what is known of denied origins goes.
void EchoFlow::on_policy() noexcept {
  if (closed_) return;
  if (context_.table.find_client(from_.address) != &client_) return end(FlowRecord::End::forced);
  const auto protocol = from_.address.is_v4() ? base::Protocol::icmp : base::Protocol::icmp6;
  const auto denied = [&](const base::IpAddress& address) {
    return !context_.may_go_on(client_, from_.address, {address, 0}, protocol);
  };
  for (const Origin& each : origins_)
    if (denied(each.address)) report_end(each, FlowRecord::End::forced);
  std::erase_if(origins_, [&](const Origin& each) { return denied(each.address); });
  std::erase_if(sent_, [&](const Sent& sent) { return denied(sent.to); });
  oldest_ = oldest_origin_ = 0;
}

}  // namespace culvert::proxy
