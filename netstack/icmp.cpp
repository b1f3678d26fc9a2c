#include "netstack/icmp.hpp"

#include <algorithm>

#include "base/checksum.hpp"

namespace culvert::netstack {

using base::Bytes;
using base::IpAddress;

namespace {

constexpr std::uint8_t icmp4 = 1, icmp6 = 58;
// Clients that are remembered for the rate limit; beyond it those with full buckets are forgotten.
constexpr std::size_t buckets_max = 8192;

unsigned u(std::byte b) noexcept {
  return std::to_integer<unsigned>(b);
}

struct TypeCode {
  std::uint8_t type, code;
};

TypeCode type_code(IcmpError error, bool v4) noexcept {
  switch (error) {
    case IcmpError::net_unreachable:
      return v4 ? TypeCode{3, 0} : TypeCode{1, 0};
    case IcmpError::host_unreachable:
      return v4 ? TypeCode{3, 1} : TypeCode{1, 3};
    case IcmpError::protocol_unreachable:
      return v4 ? TypeCode{3, 2} : TypeCode{4, 1};
    case IcmpError::port_unreachable:
      return v4 ? TypeCode{3, 3} : TypeCode{1, 4};
    case IcmpError::prohibited:
      return v4 ? TypeCode{3, 13} : TypeCode{1, 1};
    case IcmpError::too_big:
      return v4 ? TypeCode{3, 4} : TypeCode{2, 0};
    case IcmpError::ttl_exceeded:
      return v4 ? TypeCode{11, 0} : TypeCode{3, 0};
    case IcmpError::reassembly_timeout:
      return v4 ? TypeCode{11, 1} : TypeCode{3, 1};
  }
  return {3, 1};
}

// The second word of the message (RFC 792, RFC 1191, RFC 4443).
std::uint32_t rest_of(IcmpError error, const Quoted& about, std::uint32_t mtu) noexcept {
  if (error == IcmpError::too_big) return about.source.is_v4() ? std::min(mtu, 0xffffu) : mtu;
  if (error == IcmpError::protocol_unreachable && about.source.is_v6())
    return std::uint32_t(about.next_header_offset);
  return 0;
}

// An error message is never answered with one (RFC 1122 section 3.2.2, RFC 4443 section 2.4 e).
bool is_icmp_error(const Quoted& packet) noexcept {
  if (packet.upper.empty()) return packet.protocol == icmp4 || packet.protocol == icmp6;
  const unsigned type = u(packet.upper[0]);
  if (packet.protocol == icmp4) return type != 8 && type != 0 && type != 13 && type != 14;
  return packet.protocol == icmp6 && type < 128;
}

bool is_multicast(const IpAddress& address) noexcept {
  if (address.is_v4()) return address.v4_word() >= 0xe0000000;
  return u(address.bytes()[0]) == 0xff;
}

void walk_extensions(Quoted& quoted, Bytes packet) noexcept {
  std::size_t at = 40;
  quoted.next_header_offset = 6;
  for (int i = 0; i < 8; ++i) {
    const bool fragment = quoted.protocol == 44;
    const bool extension =
        fragment || quoted.protocol == 0 || quoted.protocol == 43 || quoted.protocol == 60;
    if (!extension || at + 8 > packet.size()) break;
    if (fragment && (base::load_be16(&packet[at + 2]) & 0xfff8) != 0) quoted.later_fragment = true;
    quoted.protocol = std::uint8_t(packet[at]);
    quoted.next_header_offset = at;
    at += fragment ? 8 : (u(packet[at + 1]) + 1) * 8;
    if (quoted.later_fragment) break;
  }
  if (at < packet.size()) quoted.upper = packet.subspan(at);
}

}  // namespace

std::optional<Quoted> Quoted::parse(Bytes packet) noexcept {
  if (packet.size() < 20) return std::nullopt;
  Quoted quoted;
  switch (u(packet[0]) >> 4) {
    case 4: {
      const std::size_t header = (u(packet[0]) & 0xf) * 4;
      if (header < 20 || header > packet.size()) return std::nullopt;
      quoted.source = IpAddress::v4(packet.subspan<12, 4>());
      quoted.destination = IpAddress::v4(packet.subspan<16, 4>());
      quoted.protocol = std::uint8_t(packet[9]);
      quoted.later_fragment = (base::load_be16(&packet[6]) & 0x1fff) != 0;
      quoted.upper = packet.subspan(header);
      return quoted;
    }
    case 6:
      if (packet.size() < 40) return std::nullopt;
      quoted.source = IpAddress::v6(packet.subspan<8, 16>());
      quoted.destination = IpAddress::v6(packet.subspan<24, 16>());
      quoted.protocol = std::uint8_t(packet[6]);
      walk_extensions(quoted, packet);
      return quoted;
    default:
      return std::nullopt;
  }
}

bool IcmpReporter::take_token(const IpAddress& client, base::Time now) noexcept {
  if (buckets_.size() >= buckets_max && !buckets_.contains(client)) {
    for (auto at = buckets_.begin(); at != buckets_.end();) {
      const bool idle = at->second.available(now) >= icmp_errors_per_second;
      at = idle ? buckets_.erase(at) : std::next(at);
    }
    if (buckets_.size() >= buckets_max) return false;
  }
  auto [at, made] =
      buckets_.try_emplace(client, icmp_errors_per_second, icmp_errors_per_second, now);
  return at->second.try_take(1, now);
}

void IcmpReporter::report(IcmpError error, Bytes packet, const IpAddress& from, std::uint32_t mtu,
                          base::Time now) noexcept {
  const auto about = Quoted::parse(packet);
  if (!about || about->later_fragment || is_icmp_error(*about)) return;
  if (about->source.is_unspecified() || is_multicast(about->source) ||
      is_multicast(about->destination))
    return;
  const bool v4 = about->source.is_v4();
  const IpAddress source = from ? from : v4 ? own4_ : own6_;
  if (source.family() != about->source.family()) return;
  if (!take_token(about->source, now)) return counters_.drops.add(base::Drop::icmp_rate);

  // RFC 1812 section 4.3.2.3: up to 576 bytes in all; RFC 4443 section 2.4 c: up to the least MTU.
  const std::size_t room = std::min<std::size_t>(v4 ? 576 - 28 : 1280 - 48, sender_.mtu() - 48);
  const Bytes quote = packet.first(std::min(packet.size(), room));
  std::array<std::byte, 8> header{};
  const TypeCode code = type_code(error, v4);
  header[0] = std::byte{code.type}, header[1] = std::byte{code.code};
  base::store_be32(&header[4], rest_of(error, *about, mtu));
  base::Pieces upper{Bytes(header)};
  upper.add(quote);
  const std::uint16_t sum =
      v4 ? base::checksum_finish(base::checksum_add(quote, base::checksum_add(header)))
         : upper_checksum(source, about->source, icmp6, upper);
  base::store_be16(&header[2], sum);

  base::IpHeaderSpec spec;
  spec.source = source, spec.destination = about->source;
  spec.protocol = v4 ? icmp4 : icmp6;
  spec.tos = 0xc0;  // RFC 1812 section 4.3.2.5: internetwork control
  sender_.send(spec, upper);
}

}  // namespace culvert::netstack
