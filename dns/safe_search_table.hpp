// The names that search engines and video portals have for a filtered service, and the names that
// are answered with them (as a CNAME) under Policy::safe_search.
#pragma once

#include <span>
#include <string>

#include "dns/name.hpp"

namespace culvert::dns {

// All names that lead elsewhere, dotted.
std::span<const std::string> safe_search_names() noexcept;
// Where a name leads to under safe search; null: nowhere else. No heap.
const Name* safe_search_target(const Name& name) noexcept;

}  // namespace culvert::dns
