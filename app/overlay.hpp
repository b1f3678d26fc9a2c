// Overlay: packets from one client to another, routed by longest allowed IPs inside culvert. The
// worker asks before it gives a packet to the proxy.
#pragma once

#include <optional>
#include <vector>

#include "app/peer_routes.hpp"
#include "base/pieces.hpp"

namespace culvert::app {

class Overlay {
 public:
  // `own` are the server's addresses inside the tunnel: packets to them are for the proxy.
  Overlay(const PeerRoutes& routes, std::vector<base::IpAddress> own)
      : routes_(routes), own_(std::move(own)) {}

  // The peer that `packet` from `sender` is for, with its TTL already counted down. Nothing if it
  // is for the proxy: another destination, the sender itself, or a TTL that ends here (the stack
  // then answers time exceeded).
  std::optional<PeerRoute> take(base::MutableBytes packet, std::uint32_t sender) const noexcept;

 private:
  const PeerRoutes& routes_;
  std::vector<base::IpAddress> own_;
};

// Counts the TTL or hop limit of a whole IP packet down by one. False if it ends here, or if it is
// no IP packet; nothing is changed then. The IPv4 header checksum is brought along (RFC 1624).
bool decrement_ttl(base::MutableBytes packet) noexcept;

}  // namespace culvert::app
