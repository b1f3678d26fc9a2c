// Complex rules as octets: how they lie in a table's file.
#pragma once

#include <optional>
#include <vector>

#include "base/pieces.hpp"
#include "dns/rule_table.hpp"

namespace culvert::dns {

// Of one rule, as octets: what it takes in memory is a multiple of them.
inline constexpr std::size_t max_complex_octets = 64 * 1024;

// Appends a rule, without its line.
void encode(std::uint16_t list, const Rule& rule, std::vector<std::byte>& out);
// None if the octets are not exactly one rule. The list's number is not judged.
std::optional<RuleTable::ComplexRule> decode(base::Bytes octets);

}  // namespace culvert::dns
