#include "dns/private_address.hpp"

#include <algorithm>

namespace culvert::dns {
namespace {

bool is_private_v4(std::uint32_t a) noexcept {
  struct Range {
    std::uint32_t first;
    unsigned length;
  };
  constexpr Range ranges[] = {{0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},
                              {0xa9fe0000, 16}, {0xac100000, 12}, {0xc0a80000, 16}};
  return std::any_of(std::begin(ranges), std::end(ranges), [a](const Range& each) {
    return (a ^ each.first) >> (32 - each.length) == 0;
  });
}

std::uint32_t word_at(std::span<const std::byte> bytes, std::size_t at) noexcept {
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < 4; ++i)
    word = word << 8 | std::to_integer<std::uint32_t>(bytes[at + i]);
  return word;
}

bool is_private_v6(std::span<const std::byte> bytes) noexcept {
  const std::uint32_t first = word_at(bytes, 0), second = word_at(bytes, 4),
                      third = word_at(bytes, 8), last = word_at(bytes, 12);
  if (first >> 25 == 0xfc >> 1) return true;                                    // fc00::/7
  if (first >> 22 == 0xfe80 >> 6 || first >> 22 == 0xfec0 >> 6) return true;    // fe80::, fec0::/10
  if (first >> 16 == 0x2002) return is_private_v4(first << 16 | second >> 16);  // RFC 3056
  if (first == 0x0064ff9b && second == 0 && third == 0) return is_private_v4(last);  // RFC 6052
  if (first == 0x0064ff9b && second >> 16 == 1) return true;  // of one's own network (RFC 8215)
  if (first != 0 || second != 0) return false;
  if (third == 0xffff) return is_private_v4(last);  // ::ffff:a.b.c.d
  // ::, ::1 and ::a.b.c.d (RFC 4291 section 2.5.5.1); the first two are of 0.0.0.0/8 here.
  return third == 0 && is_private_v4(last);
}

}  // namespace

bool is_private(const base::IpAddress& address) noexcept {
  if (address.is_v4()) return is_private_v4(address.v4_word());
  return address.is_v6() && is_private_v6(address.bytes());
}

}  // namespace culvert::dns
