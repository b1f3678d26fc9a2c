#include "base/ip.hpp"

#include <arpa/inet.h>

#include <charconv>

#include "base/random.hpp"
#include "base/siphash.hpp"

namespace culvert::base {

namespace {

constexpr std::array<std::byte, 12> mapped_prefix = {
    std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0},    std::byte{0},
    std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0xff}, std::byte{0xff}};

std::optional<unsigned> parse_number(std::string_view text, unsigned max) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

const SipKey& hash_key() noexcept {
  static const SipKey key = [] {
    SystemRandom random;
    return SipKey{random.u64(), random.u64()};
  }();
  return key;
}

}  // namespace

// --- IpAddress ---

IpAddress IpAddress::v4(std::uint32_t host_order) noexcept {
  IpAddress address;
  address.family_ = Family::v4;
  for (int i = 0; i < 4; ++i) address.bytes_[std::size_t(i)] = std::byte(host_order >> (24 - 8 * i));
  return address;
}

IpAddress IpAddress::v4(std::span<const std::byte, 4> network_order) noexcept {
  IpAddress address;
  address.family_ = Family::v4;
  std::memcpy(address.bytes_.data(), network_order.data(), 4);
  return address;
}

IpAddress IpAddress::v6(std::span<const std::byte, 16> network_order) noexcept {
  IpAddress address;
  address.family_ = Family::v6;
  std::memcpy(address.bytes_.data(), network_order.data(), 16);
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string copy(text);
  if (copy.find('\0') != std::string::npos) return std::nullopt;
  IpAddress address;
  if (inet_pton(AF_INET, copy.c_str(), address.bytes_.data()) == 1) {
    address.family_ = Family::v4;
    return address;
  }
  if (inet_pton(AF_INET6, copy.c_str(), address.bytes_.data()) == 1) {
    address.family_ = Family::v6;
    return address;
  }
  return std::nullopt;
}

IpAddress IpAddress::any(Family family) noexcept {
  IpAddress address;
  address.family_ = family;
  return address;
}

std::span<const std::byte> IpAddress::bytes() const noexcept {
  return std::span(bytes_).first(bits() / 8);
}

std::uint32_t IpAddress::v4_word() const noexcept {
  if (!is_v4()) return 0;
  std::uint32_t word;
  std::memcpy(&word, bytes_.data(), 4);
  return ntohl(word);
}

bool IpAddress::is_unspecified() const noexcept {
  return bytes_ == std::array<std::byte, 16>{};
}

std::string IpAddress::to_string() const {
  if (family_ == Family::none) return "none";
  char text[INET6_ADDRSTRLEN];
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), text, sizeof text);
  return text;
}

// --- Endpoint ---

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host);
  const auto port = parse_number(text.substr(colon + 1), 65535);
  if (!address || !port || address->is_v6() != bracketed) return std::nullopt;
  return Endpoint{*address, std::uint16_t(*port)};
}

Endpoint Endpoint::from_sockaddr(const sockaddr_storage& from) noexcept {
  if (from.ss_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &from, sizeof in);
    return {IpAddress::v4(ntohl(in.sin_addr.s_addr)), ntohs(in.sin_port)};
  }
  if (from.ss_family != AF_INET6) return {};
  sockaddr_in6 in;
  std::memcpy(&in, &from, sizeof in);
  std::array<std::byte, 16> bytes;
  std::memcpy(bytes.data(), &in.sin6_addr, 16);
  if (std::memcmp(bytes.data(), mapped_prefix.data(), 12) == 0)
    return {IpAddress::v4(std::span(bytes).subspan<12, 4>()), ntohs(in.sin6_port)};
  return {IpAddress::v6(bytes), ntohs(in.sin6_port)};
}

socklen_t Endpoint::to_sockaddr(sockaddr_storage& to) const noexcept {
  std::memset(&to, 0, sizeof to);
  if (address.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    in.sin_addr.s_addr = htonl(address.v4_word());
    std::memcpy(&to, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  if (address.is_v6()) std::memcpy(&in.sin6_addr, address.bytes().data(), 16);
  std::memcpy(&to, &in, sizeof in);
  return sizeof in;
}

std::string Endpoint::to_string() const {
  const std::string host = address.to_string();
  const std::string tail = ":" + std::to_string(port);
  return address.is_v6() ? "[" + host + "]" + tail : host + tail;
}

// --- Prefix ---

Prefix::Prefix(IpAddress address, unsigned length) noexcept
    : length_(length < address.bits() ? length : address.bits()) {
  std::array<std::byte, 16> bytes{};
  const auto from = address.bytes();
  for (unsigned i = 0; i < from.size(); ++i) {
    const unsigned kept = length_ > 8 * i ? length_ - 8 * i : 0;
    const unsigned mask = kept >= 8 ? 0xffu : (0xff00u >> kept) & 0xffu;
    bytes[i] = from[i] & std::byte(mask);
  }
  if (address.is_v4()) address_ = IpAddress::v4(std::span(bytes).first<4>());
  if (address.is_v6()) address_ = IpAddress::v6(bytes);
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return Prefix(*address, address->bits());
  const auto length = parse_number(text.substr(slash + 1), address->bits());
  if (!length) return std::nullopt;
  return Prefix(*address, *length);
}

bool Prefix::contains(const IpAddress& address) const noexcept {
  if (address.family() != address_.family() || !address) return false;
  const auto mine = address_.bytes(), other = address.bytes();
  const unsigned whole = length_ / 8, rest = length_ % 8;
  if (std::memcmp(mine.data(), other.data(), whole) != 0) return false;
  if (rest == 0) return true;
  const auto mask = std::byte((0xff00u >> rest) & 0xffu);
  return (other[whole] & mask) == mine[whole];
}

bool Prefix::contains(const Prefix& other) const noexcept {
  return other.length_ >= length_ && contains(other.address_);
}

std::string Prefix::to_string() const {
  return address_.to_string() + "/" + std::to_string(length_);
}

// --- FlowKey and hashes ---

std::string FlowKey::to_string() const {
  const char* name = protocol == Protocol::tcp ? "tcp" : protocol == Protocol::udp ? "udp" : "echo";
  return std::string(name) + " " + client.to_string() + " -> " + server.to_string();
}

std::size_t IpAddressHash::operator()(const IpAddress& address) const noexcept {
  return siphash(hash_key(), address.bytes());
}

std::size_t EndpointHash::operator()(const Endpoint& endpoint) const noexcept {
  std::array<std::byte, 18> bytes;
  const auto address = endpoint.address.bytes();
  std::memcpy(bytes.data(), address.data(), address.size());
  std::memcpy(bytes.data() + address.size(), &endpoint.port, 2);
  return siphash(hash_key(), std::span(bytes).first(address.size() + 2));
}

std::size_t FlowKeyHash::operator()(const FlowKey& key) const noexcept {
  std::array<std::byte, 37> bytes;
  std::size_t n = 0;
  const auto put = [&](const void* from, std::size_t size) {
    std::memcpy(bytes.data() + n, from, size);
    n += size;
  };
  put(key.client.address.bytes().data(), key.client.address.bytes().size());
  put(key.server.address.bytes().data(), key.server.address.bytes().size());
  put(&key.client.port, 2);
  put(&key.server.port, 2);
  put(&key.protocol, 1);
  return siphash(hash_key(), std::span(bytes).first(n));
}

}  // namespace culvert::base
