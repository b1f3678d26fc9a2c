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

std::optional<PeerRoute> PeerRoutes::find(const base::IpAddress& address) const noexcept {
  for (const OfLength& of_length : address.is_v4() ? v4_ : v6_) {
    const auto found = of_length.routes.find(base::Prefix(address, of_length.length).address());
    if (found != of_length.routes.end()) return found->second;
  }
  return std::nullopt;
}

}  // namespace culvert::app
