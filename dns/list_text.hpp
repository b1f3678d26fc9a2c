// Words, numbers and names in the lines of lists, for the parsers. No heap.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ip.hpp"
#include "dns/name.hpp"

namespace culvert::dns {

constexpr bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\f' || c == '\v';
}

std::string_view trim(std::string_view text) noexcept;
// The next word, up to blanks; "" at the end.
std::string_view take_word(std::string_view& rest) noexcept;
// What comes before `separator`; it is taken off with that. The whole rest if there is none.
std::string_view take_until(std::string_view& rest, char separator) noexcept;

// A name as lists write it: letters, digits, '-' and '_', in ASCII, with or without the last dot,
// not the root, and no address. False: `out` means nothing.
bool read_domain(std::string_view text, Name& out) noexcept;

std::string upper(std::string_view word);  // of ASCII

// IpAddress::parse without a copy, for text that is one in most lines.
std::optional<base::IpAddress> read_address(std::string_view text) noexcept;
std::optional<base::Prefix> read_prefix(std::string_view text) noexcept;
std::optional<std::uint32_t> read_number(std::string_view text, std::uint32_t most) noexcept;

// "0.0.0.0", "127.x.x.x", "::", "::1": what a list writes that has nothing to give but "blocked".
bool is_null_address(const base::IpAddress& address) noexcept;

}  // namespace culvert::dns
