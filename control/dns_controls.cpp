#include "control/dns_controls.hpp"

#include <algorithm>

namespace culvert::control {
namespace {

std::uint64_t unix_seconds(base::WallTime wall) noexcept {
  return std::uint64_t(std::chrono::floor<std::chrono::seconds>(wall.time_since_epoch()).count());
}

}  // namespace

void DnsControls::tick(const Calendar& calendar, base::WallTime wall) {
  const unsigned minute = calendar.minute_of_week(wall);
  for (auto& [at, compiled] : policies_) compiled.used = false;
  for (const Peer* peer : server_.peers()) write(*peer, minute);
  std::erase_if(policies_, [](const auto& each) { return !each.second.used; });
  const std::uint64_t now = unix_seconds(wall);
  std::erase_if(groups_paused_, [&](const auto& each) { return each.second <= now; });
}

void DnsControls::enter(const Peer& peer, const Calendar& calendar, base::WallTime wall) {
  write(peer, calendar.minute_of_week(wall));
  const auto group = groups_paused_.find(peer.entry.group);
  const std::uint64_t of_group = group == groups_paused_.end() ? 0 : group->second;
  server_.controls(peer.slot).dns_paused_until.set(std::max(paused_until_, of_group));
}

std::uint64_t DnsControls::bits_of(const std::shared_ptr<const dns::Policy>& policy,
                                   unsigned minute) {
  const auto [at, fresh] = policies_.try_emplace(policy.get());
  Compiled& compiled = at->second;
  compiled.used = true;
  if (fresh) {
    compiled.policy = policy;
    for (const dns::Schedule& schedule : policy->schedules)
      compiled.hours.push_back(*Hours::parse(schedule.hours));  // checked with the configuration
  }
  if (compiled.minute != minute) {
    compiled.minute = minute;
    compiled.bits = 0;
    for (std::size_t i = 0; i < compiled.hours.size(); ++i)
      compiled.bits |= std::uint64_t{compiled.hours[i].allow(minute)} << i;
  }
  return compiled.bits;
}

void DnsControls::write(const Peer& peer, unsigned minute) {
  const auto& policy = peer.entry.policy.dns;
  const bool scheduled = policy && !policy->schedules.empty();
  base::Counter& bits = server_.controls(peer.slot).dns_schedules;
  const std::uint64_t wanted = scheduled ? bits_of(policy, minute) : 0;
  if (bits.get() != wanted) bits.set(wanted);
}

Outcome<std::size_t> DnsControls::pause(const Pause& pause, base::WallTime wall) {
  const std::uint64_t until =
      pause.duration.count() == 0 ? 0 : unix_seconds(wall) + std::uint64_t(pause.duration.count());
  const auto set = [&](const Peer& peer) {
    server_.controls(peer.slot).dns_paused_until.set(until);
  };
  if (!pause.peer.empty()) {
    const Peer* peer = server_.find(pause.peer);
    if (!peer) return Problem{404, "Peer not found", "no peer is called " + pause.peer, {}};
    set(*peer);
    return std::size_t{1};
  }
  if (!pause.group.empty()) {
    if (std::ranges::find(server_.groups(), pause.group, &GroupConfig::name) ==
        server_.groups().end())
      return Problem{404, "Group not found", "no group is called " + pause.group, {}};
    groups_paused_[pause.group] = until;
  } else {
    paused_until_ = until;
    groups_paused_.clear();
  }
  std::size_t count = 0;
  for (const Peer* peer : server_.peers())
    if (pause.group.empty() || peer->entry.group == pause.group) set(*peer), ++count;
  return count;
}

}  // namespace culvert::control
