// A Packet as a pbuf: lent to lwIP without a copy, the pbuf in the packet's own scratch room.
#pragma once

#include <new>

#include "base/headers.hpp"
#include "base/packet.hpp"
#include "lwip/pbuf.h"

namespace culvert::netstack {

struct LentPacket {
  pbuf_custom custom;  // first: lwIP hands its address back
  void* released;
};
static_assert(sizeof(LentPacket) <= base::Packet::scratch_size);

inline std::size_t lent_packets = 0;  // how many are out; of the process, as lwIP is

inline void return_lent_packet(pbuf* p) noexcept {
  --lent_packets;
  base::Packet::adopt(reinterpret_cast<LentPacket*>(p)->released).reset();
}

// At the upper layer of `ip`, which views the packet.
inline pbuf* lend_packet(base::Packet packet, const base::IpView& ip) noexcept {
  auto* lent = ::new (packet.scratch()) LentPacket;
  std::byte* upper = packet.data() + ip.header_size;
  const u16_t size = u16_t(ip.payload.size());
  lent->custom.custom_free_function = return_lent_packet;
  lent->released = packet.release();
  ++lent_packets;
  return pbuf_alloced_custom(PBUF_RAW, size, PBUF_REF, &lent->custom, upper, size);
}

// A copy of the whole packet, at its IP header.
inline pbuf* copy_packet(const base::IpView& ip) noexcept {
  const u16_t size = u16_t(ip.packet.size());
  if (ip.packet.size() != size) return nullptr;
  pbuf* p = pbuf_alloc(PBUF_RAW, size, PBUF_RAM);
  if (p) pbuf_take(p, ip.packet.data(), size);
  return p;
}

}  // namespace culvert::netstack
