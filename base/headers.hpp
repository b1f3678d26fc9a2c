// Length-checked views of IPv4, IPv6, TCP, UDP and ICMP headers, and builders of the same.
// parse() checks every length once; the accessors of what it returns cannot fail. All numbers are in
// host byte order.
#pragma once

#include <cstdint>
#include <optional>

#include "base/ip.hpp"
#include "base/pieces.hpp"

namespace culvert::base {

inline std::uint16_t load_be16(const std::byte* p) noexcept {
  return std::uint16_t(std::to_integer<unsigned>(p[0]) << 8 | std::to_integer<unsigned>(p[1]));
}
inline std::uint32_t load_be32(const std::byte* p) noexcept {
  return std::uint32_t(load_be16(p)) << 16 | load_be16(p + 2);
}
inline void store_be16(std::byte* p, std::uint16_t v) noexcept {
  p[0] = std::byte(v >> 8), p[1] = std::byte(v & 0xff);
}
inline void store_be32(std::byte* p, std::uint32_t v) noexcept {
  store_be16(p, std::uint16_t(v >> 16)), store_be16(p + 2, std::uint16_t(v & 0xffff));
}

// Where a fragment belongs (RFC 791, RFC 8200 section 4.5).
struct FragmentInfo {
  std::uint32_t id = 0;
  std::uint16_t offset = 0;  // bytes
  bool more = false;
};

// The IP layer of one inner packet of either version.
struct IpView {
  IpAddress source, destination;
  std::uint8_t protocol = 0;      // the upper layer's, after IPv6 extension headers
  std::uint8_t ttl = 0;           // hop limit
  std::uint8_t tos = 0;           // traffic class
  bool dont_fragment = false;     // always true for IPv6
  std::size_t header_size = 0;    // up to the upper layer, extension headers included
  std::size_t unfragmentable = 0; // IPv6 only: bytes before the fragment header
  std::optional<FragmentInfo> fragment;
  Bytes packet;   // header and payload, cut to the length the header states
  Bytes payload;  // upper layer

  // Refuses: wrong version or lengths, a bad IPv4 header checksum, IPv4 options of the source-route
  // kind, IPv6 jumbograms, routing headers with segments left, extension chains over 8 headers or
  // 256 bytes.
  static std::optional<IpView> parse(Bytes packet) noexcept;
};

// The destination of an inner packet, if it is one (for routing by allowed IPs).
std::optional<IpAddress> destination_of(const Pieces& packet) noexcept;

struct UdpView {
  std::uint16_t source_port = 0, destination_port = 0;
  bool has_checksum = false;
  Bytes payload;
  // Checks the length field; the checksum only where `verify` is set.
  static std::optional<UdpView> parse(const IpView& ip, bool verify = true) noexcept;
};

struct TcpView {
  std::uint16_t source_port = 0, destination_port = 0;
  std::uint32_t sequence = 0, acknowledgement = 0;
  std::uint8_t flags = 0;
  std::uint16_t window = 0;
  Bytes options, payload;
  static constexpr std::uint8_t fin = 1, syn = 2, rst = 4, psh = 8, ack = 16, urg = 32;
  static std::optional<TcpView> parse(const IpView& ip) noexcept;
};

struct IcmpView {
  std::uint8_t type = 0, code = 0;
  std::uint32_t rest = 0;  // identifier and sequence of an echo
  Bytes payload;           // behind the 8-byte header
  static std::optional<IcmpView> parse(const IpView& ip) noexcept;  // checks the checksum
  std::uint16_t identifier() const noexcept { return std::uint16_t(rest >> 16); }
  std::uint16_t sequence() const noexcept { return std::uint16_t(rest & 0xffff); }
};

struct IpHeaderSpec {
  IpAddress source, destination;  // same family
  std::uint8_t protocol = 0;
  std::uint8_t ttl = 64;
  std::uint8_t tos = 0;
  std::uint16_t id = 0;  // IPv4
  bool dont_fragment = false;
  std::optional<FragmentInfo> fragment;
};

inline constexpr std::size_t max_ip_header = 48;  // IPv6 with a fragment header

// Writes the header of a packet whose upper layer has `payload_size` bytes; returns its length:
// 20, 40, or 48 for an IPv6 fragment.
std::size_t build_ip_header(const IpHeaderSpec& spec, std::size_t payload_size,
                            std::span<std::byte, max_ip_header> out) noexcept;

}  // namespace culvert::base
