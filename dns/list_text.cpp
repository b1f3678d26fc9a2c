#include "dns/list_text.hpp"

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <cstring>

namespace culvert::dns {
namespace {

// What a character of a name becomes in wire form; 0 = it is none of a name's.
constexpr auto name_characters = [] {
  std::array<std::uint8_t, 256> table{};
  for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = std::uint8_t(c), table[c - 32] = std::uint8_t(c);
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = std::uint8_t(c);
  table['-'] = '-', table['_'] = '_';
  return table;
}();

constexpr bool is_digit(std::uint8_t c) noexcept {
  return c >= '0' && c <= '9';
}

// A name whose last label is a number is an address, or part of one (RFC 1123 section 2.1).
bool is_number(const std::uint8_t* label, std::size_t size) noexcept {
  for (std::size_t i = 0; i < size; ++i)
    if (!is_digit(label[i])) return false;
  return true;
}

}  // namespace

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string upper(std::string_view word) {
  std::string out(word);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return out;
}

std::string_view take_word(std::string_view& rest) noexcept {
  std::size_t start = 0;
  while (start < rest.size() && is_blank(rest[start])) ++start;
  std::size_t end = start;
  while (end < rest.size() && !is_blank(rest[end])) ++end;
  const std::string_view word = rest.substr(start, end - start);
  rest.remove_prefix(end);
  return word;
}

std::string_view take_until(std::string_view& rest, char separator) noexcept {
  const std::size_t at = rest.find(separator);
  const std::string_view taken = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  return taken;
}

bool read_domain(std::string_view text, Name& out) noexcept {
  if (!text.empty() && text.back() == '.') text.remove_suffix(1);
  if (text.empty() || text.size() > Name::max_size - 2) return false;
  std::array<std::uint8_t, Name::max_size> wire;
  std::size_t start = 0;  // where the length of the present label goes
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    wire[i + 1] = name_characters[c];
    if (wire[i + 1] != 0) continue;
    if (c != '.' || i == start || i - start > Name::max_label) return false;
    wire[start] = static_cast<std::uint8_t>(i - start);
    start = i + 1;
  }
  const std::size_t last = text.size() - start;
  if (last == 0 || last > Name::max_label || is_number(wire.data() + start + 1, last)) return false;
  wire[start] = static_cast<std::uint8_t>(last);
  wire[text.size() + 1] = 0;
  const auto bytes = base::Bytes(reinterpret_cast<const std::byte*>(wire.data()), text.size() + 2);
  return Name::read(bytes, out) != 0;
}

std::optional<base::IpAddress> read_address(std::string_view text) noexcept {
  std::array<char, INET6_ADDRSTRLEN> copy;
  if (text.empty() || text.size() >= copy.size()) return std::nullopt;
  // Only these begin one: a word that is a name is told from an address by its first octets.
  const bool may_be_v4 = text.find_first_not_of("0123456789.") == std::string_view::npos;
  if (!may_be_v4 && text.find(':') == std::string_view::npos) return std::nullopt;
  std::memcpy(copy.data(), text.data(), text.size());
  copy[text.size()] = '\0';
  if (std::memchr(copy.data(), '\0', text.size()) != nullptr) return std::nullopt;
  std::array<std::byte, 16> bytes;
  if (may_be_v4)
    return inet_pton(AF_INET, copy.data(), bytes.data()) == 1
               ? std::optional(base::IpAddress::v4(std::span(bytes).first<4>()))
               : std::nullopt;
  if (inet_pton(AF_INET6, copy.data(), bytes.data()) != 1) return std::nullopt;
  return base::IpAddress::v6(bytes);
}

std::optional<base::Prefix> read_prefix(std::string_view text) noexcept {
  const std::string_view host = take_until(text, '/');
  const auto address = read_address(host);
  if (!address) return std::nullopt;
  if (text.data() == host.data() + host.size()) return base::Prefix(*address, address->bits());
  const auto length = read_number(text, address->bits());
  if (!length) return std::nullopt;
  return base::Prefix(*address, *length);
}

std::optional<std::uint32_t> read_number(std::string_view text, std::uint32_t most) noexcept {
  std::uint32_t value = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ec != std::errc{} || read.ptr != end || value > most) return std::nullopt;
  return value;
}

bool is_null_address(const base::IpAddress& address) noexcept {
  if (address.is_unspecified()) return true;
  if (address.is_v4()) return address.v4_word() >> 24 == 127;
  const base::Bytes bytes = address.bytes();
  for (std::size_t i = 0; i < 15; ++i)
    if (bytes[i] != std::byte{0}) return false;
  return bytes[15] == std::byte{1};
}

}  // namespace culvert::dns
