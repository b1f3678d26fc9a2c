// The egress policy without rules: an IPv4 address against the ranges as numbers, then the same
// address inside every IPv6 form that can carry it. What is refused plain is refused in any of
// them. The rest of the input is a rule's text, which must survive being printed and read again.
#include <algorithm>
#include <cstdlib>
#include <initializer_list>

#include "base/headers.hpp"
#include "proxy/egress_policy.hpp"

using namespace culvert;
using base::IpAddress;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

bool refused(std::uint32_t a) {
  const auto within = [a](std::uint32_t first, std::uint32_t last) {
    return a >= first && a <= last;
  };
  return a <= 0x00ffffff || within(0x0a000000, 0x0affffff) || within(0x64400000, 0x647fffff) ||
         within(0x7f000000, 0x7fffffff) || within(0xa9fe0000, 0xa9feffff) ||
         within(0xac100000, 0xac1fffff) || within(0xc0a80000, 0xc0a8ffff) || a >= 0xe0000000 ||
         a == 0xa83f8110 || a == 0xc00000c0 || a == 0x646464c8;
}

using Raw = std::array<std::byte, 16>;

void put(Raw& raw, std::initializer_list<unsigned> head) {
  std::size_t at = 0;
  for (const unsigned octet : head) raw[at++] = std::byte(octet);
}

// Form `which` of the IPv4 address; what it leaves open stays as it is in `raw`.
IpAddress embed(Raw raw, unsigned which, std::uint32_t v4) {
  const auto octets = [&](std::initializer_list<std::size_t> places) {
    unsigned shift = 24;
    for (const std::size_t place : places) {
      raw[place] = std::byte(v4 >> shift & 0xff);
      shift -= 8;
    }
  };
  switch (which) {
    case 0:
      put(raw, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}), octets({12, 13, 14, 15});
      break;
    case 1:
      put(raw, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), octets({12, 13, 14, 15});
      break;
    case 2:
      put(raw, {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}), octets({12, 13, 14, 15});
      break;
    case 3:
      put(raw, {0, 0x64, 0xff, 0x9b, 0, 1}), octets({12, 13, 14, 15});
      break;
    case 4:
      put(raw, {0, 0x64, 0xff, 0x9b, 0, 1}), octets({6, 7, 9, 10});
      break;
    case 5:
      put(raw, {0, 0x64, 0xff, 0x9b, 0, 1}), octets({7, 9, 10, 11});
      break;
    case 6:
      put(raw, {0, 0x64, 0xff, 0x9b, 0, 1}), octets({9, 10, 11, 12});
      break;
    case 7:
      put(raw, {0x20, 0x02}), octets({2, 3, 4, 5});
      break;
    case 8:
      put(raw, {0x20, 0x01, 0, 0}), octets({4, 5, 6, 7});
      break;
    case 9:
      v4 = ~v4, put(raw, {0x20, 0x01, 0, 0}), octets({12, 13, 14, 15});
      break;
    default:
      raw[8] &= std::byte{3}, raw[9] = std::byte{0}, raw[10] = std::byte{0x5e};
      raw[11] = std::byte{0xfe}, octets({12, 13, 14, 15});
      break;
  }
  return IpAddress::v6(std::span<const std::byte, 16>(raw));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const proxy::EgressPolicy policy({}, {}, {});
  if (size < 20) return 0;
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  const std::uint32_t v4 = base::load_be32(bytes);
  Raw raw;
  std::copy_n(bytes + 4, raw.size(), raw.begin());
  for (const auto protocol : {base::Protocol::tcp, base::Protocol::udp, base::Protocol::icmp}) {
    require(policy.allows({IpAddress::v4(v4), 80}, protocol, nullptr) == !refused(v4));
    for (unsigned which = 0; which <= 10; ++which)
      require(!refused(v4) || !policy.allows({embed(raw, which, v4), 80}, protocol, nullptr));
  }
  const std::string_view text(reinterpret_cast<const char*>(data) + 20, size - 20);
  if (const auto rule = proxy::EgressRule::parse(text)) {
    const auto again = proxy::EgressRule::parse(rule->to_string());
    require(again && again->to_string() == rule->to_string() && again->prefix == rule->prefix);
  }
  return 0;
}
