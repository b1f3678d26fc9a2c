// Where outgoing datagrams are built: the protocol reserves a slot, seals into it in place, and the
// socket sends what was reserved, in order, when the loop turn ends. A test's outbox is a queue.
#pragma once

#include <cstdint>

#include "base/ip.hpp"
#include "base/pieces.hpp"

namespace culvert::wg {

// The two ends of the outer path. `local` is the address the peer's last authenticated datagram was
// sent to (sticky source); none lets the kernel choose.
struct Path {
  base::Endpoint remote;
  base::IpAddress local;
  std::uint32_t interface = 0;  // interface index of `local`; 0 = any

  friend bool operator==(const Path&, const Path&) = default;
};

class Outbox {
 public:
  virtual ~Outbox() = default;

  // `size` bytes (<= max_datagram) for one datagram, to be filled before the next call of anything
  // here; empty when the outbox is full, and then the packet is dropped. `tos` is the outer traffic
  // class: 0 for data, 0x88 (AF41) for handshakes.
  virtual base::MutableBytes reserve(const Path& path, std::size_t size, std::uint8_t tos) noexcept = 0;

  // Takes back the slot reserved last (sealing failed).
  virtual void cancel_last() noexcept = 0;
};

}  // namespace culvert::wg
