// Names that stand for addresses (RFC 1035 section 3.5, RFC 3596 section 2.5).
#include <charconv>

#include "base/assert.hpp"
#include "dns/name.hpp"

namespace culvert::dns {
namespace {

constexpr char ip4_zone[] = "\7in-addr\4arpa";  // with the root's octet behind
constexpr char ip6_zone[] = "\3ip6\4arpa";
constexpr std::size_t ip6_labels = 32 * 2;  // octets of one-digit labels

base::Bytes bytes_of(const char* text, std::size_t size) noexcept {
  return std::as_bytes(std::span(text, size));
}

bool ends_with(base::Bytes wire, base::Bytes zone) noexcept {
  return wire.size() >= zone.size() &&
         std::memcmp(wire.data() + wire.size() - zone.size(), zone.data(), zone.size()) == 0;
}

// A decimal octet as it is written: no zeros in front.
int read_decimal(base::Bytes label) noexcept {
  int value = 0;
  if (label.empty() || label.size() > 3) return -1;
  if (label.size() > 1 && label[0] == std::byte{'0'}) return -1;
  for (const std::byte b : label) {
    if (b < std::byte{'0'} || b > std::byte{'9'}) return -1;
    value = value * 10 + (std::to_integer<int>(b) - '0');
  }
  return value <= 255 ? value : -1;
}

int read_digit(std::byte b) noexcept {
  const int c = std::to_integer<int>(b);
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::size_t parse_ip4(base::Bytes labels, base::MutableBytes address) noexcept {
  for (int i = 3; i >= 0; --i) {
    if (labels.empty()) return 0;
    const auto size = std::to_integer<std::size_t>(labels[0]);
    if (size >= labels.size()) return 0;
    const int value = read_decimal(labels.subspan(1, size));
    if (value < 0) return 0;
    address[std::size_t(i)] = std::byte(value);
    labels = labels.subspan(1 + size);
  }
  return labels.empty() ? 4 : 0;
}

std::size_t parse_ip6(base::Bytes labels, base::MutableBytes address) noexcept {
  if (labels.size() != ip6_labels) return 0;
  for (std::size_t i = 0; i < 32; ++i) {
    const int digit = labels[2 * i] == std::byte{1} ? read_digit(labels[2 * i + 1]) : -1;
    if (digit < 0) return 0;
    std::byte& to = address[15 - i / 2];
    to = i % 2 == 0 ? std::byte(digit) : to | std::byte(digit << 4);
  }
  return 16;
}

}  // namespace

Name reverse_name(const base::Bytes address) {
  BASE_ASSERT(address.size() == 4 || address.size() == 16);
  Name out;
  char label[4];
  for (std::size_t i = address.size(); i-- > 0;) {
    const auto value = std::to_integer<unsigned>(address[i]);
    if (address.size() == 4) {
      const char* const end = std::to_chars(label, label + sizeof label, value).ptr;
      out.append(bytes_of(label, std::size_t(end - label)));
      continue;
    }
    constexpr char digits[] = "0123456789abcdef";
    out.append(bytes_of(digits + value % 16, 1));
    out.append(bytes_of(digits + value / 16, 1));
  }
  if (address.size() == 4)
    out.append_labels(bytes_of(ip4_zone, sizeof ip4_zone - 1));
  else
    out.append_labels(bytes_of(ip6_zone, sizeof ip6_zone - 1));
  return out;
}

std::size_t parse_reverse(const Name& name, base::MutableBytes address) {
  const base::Bytes wire = name.wire();
  const base::Bytes zone4 = bytes_of(ip4_zone, sizeof ip4_zone);
  const base::Bytes zone6 = bytes_of(ip6_zone, sizeof ip6_zone);
  if (ends_with(wire, zone4) && address.size() >= 4)
    return parse_ip4(wire.first(wire.size() - zone4.size()), address);
  if (ends_with(wire, zone6) && address.size() >= 16)
    return parse_ip6(wire.first(wire.size() - zone6.size()), address);
  return 0;
}

}  // namespace culvert::dns
