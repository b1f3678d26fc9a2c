// What is_known_resolver() knows; for that and for the Filter, which tells most names apart first.
#pragma once

#include <span>
#include <string_view>

namespace culvert::dns {

// Each with all below it: resolvers of one customer or device are names below the service's.
std::span<const std::string_view> known_resolver_names() noexcept;
std::span<const std::string_view> known_resolver_addresses() noexcept;
std::span<const std::string_view> known_resolver_ranges() noexcept;

}  // namespace culvert::dns
