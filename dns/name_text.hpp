// A name as dotted text without escapes, into a place that the caller has: for libraries and tables
// that know names so. No heap.
#pragma once

#include <array>
#include <string_view>

#include "dns/name.hpp"

namespace culvert::dns {

using NameText = std::array<char, Name::max_size + 1>;  // with a NUL behind

// "" for the root, and for a name that would need an escape.
std::string_view write_plain(const Name& name, NameText& out) noexcept;

}  // namespace culvert::dns
