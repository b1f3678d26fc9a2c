// A name as dotted text without escapes: written into a place that the caller has, for libraries
// and tables that know names so, and told from what is no domain. No heap.
#pragma once

#include <array>
#include <string_view>

#include "dns/name.hpp"

namespace culvert::dns {

using NameText = std::array<char, Name::max_size + 1>;  // with a NUL behind

// "" for the root, and for a name that would need an escape.
std::string_view write_plain(const Name& name, NameText& out) noexcept;

// What people write where a domain is meant: letters, digits, '-' and '_', and a last label that is
// no number. More than that are names (RFC 2181 section 11), but in a configuration they are
// patterns, URLs or addresses. '/' is of reverse names only (RFC 2317).
bool looks_like_domain(std::string_view text) noexcept;

}  // namespace culvert::dns
