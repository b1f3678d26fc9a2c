#include "base/checksum.hpp"

#include <bit>
#include <cstring>

namespace culvert::base {

namespace {

// One's-complement addition commutes with byte order (RFC 1071 section 2), so words are summed as the
// machine loads them and swapped once at the end.
std::uint64_t add_carry(std::uint64_t a, std::uint64_t b) noexcept {
  a += b;
  return a + (a < b);
}

std::uint64_t load64(const std::byte* p) noexcept {
  std::uint64_t word;
  std::memcpy(&word, p, 8);
  return word;
}

std::uint32_t fold32(std::uint64_t sum) noexcept {
  sum = (sum & 0xffffffff) + (sum >> 32);
  return std::uint32_t((sum & 0xffffffff) + (sum >> 32));
}

std::uint16_t fold16(std::uint64_t sum) noexcept {
  std::uint32_t folded = fold32(sum);
  folded = (folded & 0xffff) + (folded >> 16);
  return std::uint16_t((folded & 0xffff) + (folded >> 16));
}

}  // namespace

std::uint64_t checksum_add(Bytes data, std::uint64_t sum) noexcept {
  static_assert(std::endian::native == std::endian::little);
  const std::byte* p = data.data();
  std::size_t left = data.size();

  // Four independent sums of 32-bit halves: no carry chain, and the compiler vectorises it.
  std::uint64_t lanes[4] = {};
  for (; left >= 32; p += 32, left -= 32) {
    for (int i = 0; i < 4; ++i) {
      const std::uint64_t word = load64(p + 8 * i);
      lanes[i] += (word & 0xffffffff) + (word >> 32);
    }
  }
  std::uint64_t total = add_carry(add_carry(lanes[0], lanes[1]), add_carry(lanes[2], lanes[3]));
  for (; left >= 8; p += 8, left -= 8) total = add_carry(total, load64(p));
  if (left > 0) {
    std::uint64_t tail = 0;
    std::memcpy(&tail, p, left);
    total = add_carry(total, tail);
  }
  const std::uint16_t folded = fold16(total);
  return sum + std::uint16_t(folded << 8 | folded >> 8);
}

std::uint64_t pseudo_header_sum(const IpAddress& source, const IpAddress& destination,
                                std::uint8_t protocol, std::uint32_t length) noexcept {
  std::uint64_t sum = checksum_add(source.bytes());
  sum = checksum_add(destination.bytes(), sum);
  return sum + protocol + (length >> 16) + (length & 0xffff);
}

std::uint16_t checksum_finish(std::uint64_t sum) noexcept { return std::uint16_t(~fold16(sum)); }

}  // namespace culvert::base
