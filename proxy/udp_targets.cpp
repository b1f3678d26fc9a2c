#include <algorithm>

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
  if (recent_ < targets_.size() && targets_[recent_].endpoint.address == address)
    return &targets_[recent_];
  for (Target& target : targets_)
    if (target.endpoint.address == address) return &target;
  return nullptr;
}

Targets::Target& Targets::insert(const base::Endpoint& endpoint) {
  if (targets_.size() < max_targets) {
    recent_ = targets_.size();
    return targets_.emplace_back(Target{endpoint, {}, {}});
  }
  if (contacted_.size() >= max_contacted) contacted_.erase(contacted_.begin());
  recent_ = oldest_;
  oldest_ = (oldest_ + 1) % max_targets;
  Target& target = targets_[recent_];
  contacted_.insert(target.endpoint.address);
  return target = Target{endpoint, {}, {}};
}

bool Targets::contacted(const base::IpAddress& address) const noexcept {
  const auto same = [&](const Target& t) { return t.endpoint.address == address; };
  return std::any_of(targets_.begin(), targets_.end(), same) || contacted_.contains(address);
}

}  // namespace culvert::proxy
