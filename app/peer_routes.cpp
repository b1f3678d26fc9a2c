#include "app/peer_routes.hpp"

#include <algorithm>

namespace culvert::app {

void PeerRoutes::add(const base::Prefix& prefix, PeerRoute route) {
  Family& family = family_of(prefix.address());
  auto at = std::ranges::lower_bound(family, prefix.length(), std::greater<>{}, &OfLength::length);
  if (at == family.end() || at->length != prefix.length())
    at = family.insert(at, OfLength{prefix.length(), {}});
  at->routes[prefix.address()] = route;
}

void PeerRoutes::remove(const base::Prefix& prefix, std::uint32_t peer) noexcept {
  Family& family = family_of(prefix.address());
  const auto at = std::ranges::find(family, prefix.length(), &OfLength::length);
  if (at == family.end()) return;
  const auto found = at->routes.find(prefix.address());
  if (found == at->routes.end() || found->second.peer != peer) return;
  at->routes.erase(found);
  if (at->routes.empty()) family.erase(at);  // a length nobody has costs no look-up
}

std::optional<PeerRoute> PeerRoutes::holder(const base::Prefix& prefix) const noexcept {
  const Family& family = family_of(prefix.address());
  const auto at = std::ranges::find(family, prefix.length(), &OfLength::length);
  if (at == family.end()) return std::nullopt;
  const auto found = at->routes.find(prefix.address());
  return found == at->routes.end() ? std::nullopt : std::optional(found->second);
}

std::optional<PeerRoute> PeerRoutes::find(const base::IpAddress& address) const noexcept {
  for (const OfLength& of_length : address.is_v4() ? v4_ : v6_) {
    const auto found = of_length.routes.find(base::Prefix(address, of_length.length).address());
    if (found != of_length.routes.end()) return found->second;
  }
  return std::nullopt;
}

}  // namespace culvert::app
