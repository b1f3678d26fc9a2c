// PeerRoutes: which peer an inner address belongs to, over the peers of all workers. A device knows
// its own peers only; this is for packets from client to client and for port forwards.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/ip.hpp"

namespace culvert::app {

struct PeerRoute {
  std::uint32_t peer = 0;  // its slot
  unsigned worker = 0;     // its owner
  friend bool operator==(const PeerRoute&, const PeerRoute&) = default;
};

class PeerRoutes {
 public:
  // A prefix that is there already moves to the new peer, as allowed IPs do.
  void add(const base::Prefix& prefix, PeerRoute route);
  // Nothing happens if `peer` is not the one that holds it.
  void remove(const base::Prefix& prefix, std::uint32_t peer) noexcept;
  std::optional<PeerRoute> holder(const base::Prefix& prefix) const noexcept;
  // By longest prefix: one look-up for each length in use.
  std::optional<PeerRoute> find(const base::IpAddress& address) const noexcept;

 private:
  struct OfLength {
    unsigned length;
    std::unordered_map<base::IpAddress, PeerRoute, base::IpAddressHash> routes;
  };
  using Family = std::vector<OfLength>;  // longest first

  Family& family_of(const base::IpAddress& address) noexcept { return address.is_v4() ? v4_ : v6_; }
  const Family& family_of(const base::IpAddress& address) const noexcept {
    return address.is_v4() ? v4_ : v6_;
  }
  Family v4_, v6_;
};

}  // namespace culvert::app
