#include "app/overlay.hpp"

#include <algorithm>

#include "base/headers.hpp"

namespace culvert::app {

bool decrement_ttl(base::MutableBytes packet) noexcept {
  if (packet.empty()) return false;
  const unsigned version = std::to_integer<unsigned>(packet[0]) >> 4;
  if (version == 4 && packet.size() >= 20) {
    const unsigned ttl = std::to_integer<unsigned>(packet[8]);
    if (ttl <= 1) return false;
    packet[8] = std::byte(ttl - 1);
    // HC' = ~(~HC + ~m + m') (RFC 1624 equation 3), where m' = m - 0x0100.
    const std::uint32_t sum = (~base::load_be16(&packet[10]) & 0xffffu) + 0xfeffu;
    base::store_be16(&packet[10], std::uint16_t(~((sum & 0xffff) + (sum >> 16))));
    return true;
  }
  if (version == 6 && packet.size() >= 40) {
    const unsigned hops = std::to_integer<unsigned>(packet[7]);
    if (hops <= 1) return false;
    packet[7] = std::byte(hops - 1);
    return true;
  }
  return false;
}

std::optional<PeerRoute> Overlay::take(base::MutableBytes packet,
                                       std::uint32_t sender) const noexcept {
  const auto destination = base::destination_of(base::Pieces(packet));
  if (!destination || std::ranges::find(own_, *destination) != own_.end()) return std::nullopt;
  const auto route = routes_.find(*destination);
  if (!route || route->peer == sender) return std::nullopt;
  if (!decrement_ttl(packet)) return std::nullopt;
  return route;
}

}  // namespace culvert::app
