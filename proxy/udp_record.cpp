// What a UdpFlow tells of each origin it speaks to, and what a new policy makes of it.
#include <algorithm>

#include "proxy/context.hpp"
#include "proxy/udp_flow.hpp"

namespace culvert::proxy {

FlowRecord UdpFlow::record(const Targets::Target& target, FlowRecord::End end) const noexcept {
  FlowRecord record = context_.reporter.describe(
      client_, {from_, target.endpoint, base::Protocol::udp}, target.tally, context_.now());
  record.end = end;
  const bool over = end != FlowRecord::End::none && end != FlowRecord::End::interim;
  record.state = over ? FlowRecord::State::closed : FlowRecord::State::open;
  return record;
}

void UdpFlow::report_end(const Targets::Target& target, FlowRecord::End why) noexcept {
  if (context_.reporter.wanted()) context_.reporter.push(record(target, why));
}

// There is room for a few origins: the one that came first makes room, and its record is told.
Targets::Target& UdpFlow::add_target(const base::Endpoint& origin) {
  if (const Targets::Target* leaving = targets_.next_to_go())
    report_end(*leaving, FlowRecord::End::lack);
  Targets::Target& added = targets_.insert(origin);
  added.tally.span = context_.reporter.begin(context_.now());
  added.tally.span.domain = context_.domain_of(client_, origin.address);
  added.tally.last = context_.now();
  return added;
}

void UdpFlow::count_up(const base::Endpoint& origin, std::size_t bytes) noexcept {
  client_.counters.udp_up.add(bytes);
  if (Targets::Target* target = targets_.find(origin)) target->tally.up.payload += bytes;
}

// An origin that answers from another port than it was asked at has a record of its own, and so
// has a stranger where the mapping is open to everyone; but none takes the place of an origin that
// the client spoke to.
void UdpFlow::count_down(const base::Endpoint& origin, netstack::Packets sent,
                         std::size_t bytes) noexcept try {
  client_.counters.udp_down.add(bytes);
  Targets::Target* target = targets_.find(origin);
  if (!target) {
    const Targets::Target* leaving = targets_.next_to_go();
    if (leaving && !leaving->is_stranger()) return;
    target = &add_target(origin);
  }
  target->tally.count(target->tally.down, sent, context_.now());
  target->tally.down.payload += bytes;
} catch (const std::exception&) {
  // No memory: it goes without a record.
}

base::Time UdpFlow::run_interim(base::Time now) noexcept {
  base::Time next = base::never;
  if (!context_.reporter.wanted()) return next;
  for (Targets::Target& target : targets_.all()) {
    FlowTally& tally = target.tally;
    if (context_.reporter.take_interim(tally.span, tally.last, now))
      context_.reporter.push(record(target, FlowRecord::End::interim));
    next = std::min(next, context_.reporter.next_interim(tally.span));
  }
  return next;
}

void UdpFlow::each_record(const Proxy::EachRecord& each) const {
  if (closed_) return;
  for (const Targets::Target& target : targets_.all()) each(record(target, FlowRecord::End::none));
}

// A mapping that has nobody left to speak to goes; of others only the denied origins do.
void UdpFlow::on_policy() noexcept {
  if (closed_) return;
  if (context_.table.find_client(from_.address) != &client_) return end(FlowRecord::End::forced);
  const auto allowed = [&](const base::Endpoint& origin) {
    return context_.may_go_on(client_, from_.address, origin, base::Protocol::udp);
  };
  std::size_t denied = 0;
  for (const Targets::Target& target : targets_.all()) {
    if (allowed(target.endpoint)) continue;
    ++denied;
    report_end(target, FlowRecord::End::forced);
  }
  targets_.keep(allowed);
  if (denied > 0 && targets_.all().empty()) end(FlowRecord::End::forced);
}

}  // namespace culvert::proxy
