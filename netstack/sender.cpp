#include "netstack/sender.hpp"

#include <algorithm>

#include "base/checksum.hpp"

namespace culvert::netstack {

using base::Bytes;
using base::Pieces;

Pieces slice(const Pieces& all, std::size_t offset, std::size_t length) noexcept {
  Pieces out;
  for (Bytes part : all) {
    if (length == 0) break;
    if (offset >= part.size()) {
      offset -= part.size();
      continue;
    }
    const std::size_t n = std::min(length, part.size() - offset);
    out.add(part.subspan(offset, n));
    offset = 0, length -= n;
  }
  return out;
}

std::uint16_t upper_checksum(const base::IpAddress& source, const base::IpAddress& destination,
                             std::uint8_t protocol, const Pieces& upper) noexcept {
  std::uint64_t sum =
      base::pseudo_header_sum(source, destination, protocol, std::uint32_t(upper.size()));
  bool odd = false;
  for (Bytes part : upper) {
    if (!odd) {
      sum = base::checksum_add(part, sum);
    } else {
      // A part that starts at an odd offset sums to the byte-swapped value (RFC 1071 section 2B).
      const std::uint16_t folded = std::uint16_t(~base::checksum_finish(base::checksum_add(part)));
      sum += std::uint16_t(folded << 8 | folded >> 8);
    }
    odd ^= part.size() & 1;
  }
  return base::checksum_finish(sum);
}

std::uint32_t Sender::send_one(const base::IpHeaderSpec& spec, const Pieces& upper) noexcept {
  std::array<std::byte, base::max_ip_header> header;
  const std::size_t size = base::build_ip_header(spec, upper.size(), header);
  Pieces packet(Bytes(header.data(), size));
  for (Bytes part : upper) packet.add(part);
  events_.output(packet);
  return std::uint32_t(packet.size());
}

Packets Sender::send(base::IpHeaderSpec spec, const Pieces& upper) noexcept {
  const bool v4 = spec.destination.is_v4();
  const std::size_t plain = v4 ? 20 : 40;
  if (plain + upper.size() <= mtu_) return {1, send_one(spec, upper)};

  const std::size_t room = (mtu_ - (v4 ? 20 : 48)) & ~std::size_t(7);
  const std::uint32_t id = v4 ? random_.u32() & 0xffff : random_.u32();
  spec.id = std::uint16_t(id);
  Packets sent;
  for (std::size_t at = 0; at < upper.size(); at += room) {
    const std::size_t n = std::min(room, upper.size() - at);
    spec.fragment = base::FragmentInfo{id, std::uint16_t(at), at + n < upper.size()};
    ++sent.count, sent.bytes += send_one(spec, slice(upper, at, n));
  }
  return sent;
}

}  // namespace culvert::netstack
