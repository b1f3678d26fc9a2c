#include <algorithm>
#include <cstring>

#include "proxy/error_queue.hpp"
#include "proxy/udp_flow.hpp"

namespace culvert::proxy {

Targets::Target* Targets::find(const base::Endpoint& endpoint) noexcept {
  if (recent_ < targets_.size() && targets_[recent_].endpoint == endpoint)
    return &targets_[recent_];
  for (std::size_t i = 0; i < targets_.size(); ++i)
    if (targets_[i].endpoint == endpoint) return recent_ = i, &targets_[i];
  return nullptr;
}

Targets::Target* Targets::find_address(const base::IpAddress& address) noexcept {
  if (recent_ < targets_.size() && targets_[recent_].endpoint.address == address &&
      !targets_[recent_].is_stranger())
    return &targets_[recent_];
  for (Target& target : targets_)
    if (target.endpoint.address == address && !target.is_stranger()) return &target;
  return nullptr;
}

const Targets::Target* Targets::next_to_go() const noexcept {
  return targets_.size() < max_targets ? nullptr : &targets_[oldest_];
}

Targets::Target& Targets::insert(const base::Endpoint& endpoint) {
  if (targets_.size() < max_targets) {
    recent_ = targets_.size();
    return targets_.emplace_back(Target{.endpoint = endpoint, .quote = {}, .tally = {}});
  }
  if (contacted_.size() >= max_contacted) contacted_.erase(contacted_.begin());
  recent_ = oldest_;
  oldest_ = (oldest_ + 1) % max_targets;
  Target& target = targets_[recent_];
  if (!target.is_stranger()) contacted_[target.endpoint.address] = target.endpoint.port;
  return target = Target{.endpoint = endpoint, .quote = {}, .tally = {}};
}

bool Targets::contacted(const base::IpAddress& address) const noexcept {
  const auto same = [&](const Target& t) {
    return !t.is_stranger() && t.endpoint.address == address;
  };
  return std::any_of(targets_.begin(), targets_.end(), same) || contacted_.contains(address);
}

void Probes::add(const netstack::UdpDatagram& datagram, base::Time now) {
  Probe probe;
  probe.to = datagram.key.server;
  probe.sent = now;
  probe.size = datagram.payload.size();
  std::copy_n(datagram.payload.begin(), std::min(probe.size, probe.start.size()),
              probe.start.begin());
  probe.quote = netstack::Quote(datagram.packet);
  if (probes_.size() < max_probes) return probes_.push_back(probe);
  probes_[oldest_] = probe;
  oldest_ = (oldest_ + 1) % max_probes;
}

// Routers quote as much as they like, and some fill up with zeros (RFC 4884 section 5.4).
bool Probes::Probe::fits(const SocketError& error) const noexcept {
  const std::size_t both = std::min({error.payload_size, size, start.size()});
  return to == error.target &&
         (both == 0 || std::memcmp(error.payload.data(), start.data(), both) == 0);
}

const netstack::Quote* Probes::find(const SocketError& error, base::Time now) noexcept {
  constexpr auto patience = std::chrono::seconds(2);
  Probe* best = nullptr;
  const auto rank = [&](const Probe& p) {
    return std::pair(p.size == error.payload_size, !p.answered && now - p.sent < patience);
  };
  for (std::size_t i = 0; i < probes_.size(); ++i) {  // oldest first
    Probe& probe = probes_[(oldest_ + i) % probes_.size()];
    if (!probe.fits(error)) continue;
    const bool better =
        !best || rank(probe) > rank(*best) || (rank(probe) == rank(*best) && !rank(probe).second);
    if (better) best = &probe;
  }
  if (!best) return nullptr;
  best->answered = true;
  return &best->quote;
}

}  // namespace culvert::proxy
