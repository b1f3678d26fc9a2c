// Addresses, endpoints, prefixes and flow keys: values, in network byte order inside, ports in host
// byte order. These are the only names that cross a folder border (an IP address means a peer).
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace culvert::base {

// An IPv4 or IPv6 address, or none. An IPv4-mapped IPv6 address stays what it was given as; see
// proxy/policy for the forms that embed an IPv4 address.
class IpAddress {
 public:
  enum class Family : std::uint8_t { none, v4, v6 };

  constexpr IpAddress() = default;
  static IpAddress v4(std::uint32_t host_order) noexcept;
  static IpAddress v4(std::span<const std::byte, 4> network_order) noexcept;
  static IpAddress v6(std::span<const std::byte, 16> network_order) noexcept;
  static std::optional<IpAddress> parse(std::string_view text);  // no brackets, no zone
  static IpAddress any(Family family) noexcept;                  // 0.0.0.0 or ::

  Family family() const noexcept { return family_; }
  bool is_v4() const noexcept { return family_ == Family::v4; }
  bool is_v6() const noexcept { return family_ == Family::v6; }
  explicit operator bool() const noexcept { return family_ != Family::none; }

  // 4, 16 or 0 bytes in network order.
  std::span<const std::byte> bytes() const noexcept;
  unsigned bits() const noexcept { return is_v4() ? 32u : is_v6() ? 128u : 0u; }
  std::uint32_t v4_word() const noexcept;  // host order; 0 unless is_v4()
  bool is_unspecified() const noexcept;    // none, 0.0.0.0 or ::
  std::string to_string() const;

  friend bool operator==(const IpAddress&, const IpAddress&) = default;
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::byte, 16> bytes_{};  // an IPv4 address fills the first four, zeros behind
  Family family_ = Family::none;
};

// An address and a port.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  // "1.2.3.4:80" or "[2001:db8::1]:80"
  static std::optional<Endpoint> parse(std::string_view text);
  static Endpoint from_sockaddr(const sockaddr_storage& from) noexcept;  // IPv4-mapped becomes IPv4
  // Fills `to` and returns its length.
  socklen_t to_sockaddr(sockaddr_storage& to) const noexcept;
  std::string to_string() const;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// A CIDR prefix; host bits are always zero.
class Prefix {
 public:
  Prefix() = default;
  Prefix(IpAddress address, unsigned length) noexcept;  // masks; length is cut to address.bits()
  // "10.0.0.0/8", "fd00::/8"; without a slash the whole address. Host bits are masked.
  static std::optional<Prefix> parse(std::string_view text);

  const IpAddress& address() const noexcept { return address_; }
  unsigned length() const noexcept { return length_; }
  bool contains(const IpAddress& address) const noexcept;
  bool contains(const Prefix& other) const noexcept;
  std::string to_string() const;

  friend bool operator==(const Prefix&, const Prefix&) = default;
  friend auto operator<=>(const Prefix&, const Prefix&) = default;

 private:
  IpAddress address_;
  unsigned length_ = 0;
};

enum class Protocol : std::uint8_t { icmp = 1, tcp = 6, udp = 17, icmp6 = 58 };

// One flow as the client sees it. For echo the client's port is the identifier, the server's is 0.
struct FlowKey {
  Endpoint client;  // inside the tunnel
  Endpoint server;  // where the client wants to go
  Protocol protocol = Protocol::tcp;

  std::string to_string() const;
  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};

// Hashes for tables whose keys a client chooses: SipHash under a key drawn once per process, so
// that no one can aim at a bucket.
struct IpAddressHash {
  std::size_t operator()(const IpAddress& address) const noexcept;
};
struct EndpointHash {
  std::size_t operator()(const Endpoint& endpoint) const noexcept;
};
struct FlowKeyHash {
  std::size_t operator()(const FlowKey& key) const noexcept;
};

}  // namespace culvert::base
