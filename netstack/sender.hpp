// Sender: puts an IP header in front of an upper layer and hands the packet to
// Stack::Events::output; what exceeds the tunnel's MTU leaves in fragments.
#pragma once

#include "base/headers.hpp"
#include "base/pieces.hpp"
#include "base/random.hpp"
#include "netstack/stack.hpp"

namespace culvert::netstack {

class Sender {
 public:
  Sender(Stack::Events& events, base::Random& random, std::size_t mtu) noexcept
      : events_(events), random_(random), mtu_(mtu) {}

  // At most Pieces::max_count - 1 pieces.
  Packets send(base::IpHeaderSpec spec, const base::Pieces& upper) noexcept;
  std::size_t mtu() const noexcept { return mtu_; }

 private:
  std::uint32_t send_one(const base::IpHeaderSpec& spec, const base::Pieces& upper) noexcept;

  Stack::Events& events_;
  base::Random& random_;
  std::size_t mtu_;
};

// `length` bytes of `all` from `offset`.
base::Pieces slice(const base::Pieces& all, std::size_t offset, std::size_t length) noexcept;

// The checksum field of an upper layer whose own field is zero, pseudo header included.
std::uint16_t upper_checksum(const base::IpAddress& source, const base::IpAddress& destination,
                             std::uint8_t protocol, const base::Pieces& upper) noexcept;

}  // namespace culvert::netstack
