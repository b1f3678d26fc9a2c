// AddressRanges: what address lists say, as the ranges of a table's file. Prefixes lie within each
// other or apart, so that one pass over them in order, with those that are open on a stack, gives
// the ranges and what each list says there: of one list that of the longest prefix.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ip.hpp"
#include "dns/rule_file.hpp"
#include "dns/said_table.hpp"

namespace culvert::dns {

class AddressRanges {
 public:
  static constexpr std::size_t max_prefixes = std::size_t{1} << 22;

  // `action`: up to rewrite. False: there are too many.
  bool add(std::uint16_t list, RuleAction action, const base::Prefix& prefix);
  struct Built {
    std::vector<Range4> v4;
    std::vector<Range6> v6;
    std::size_t prefixes = 0;  // distinct, but for rewrites: these are complex rules too
  };
  Built build(SaidTable& said);  // once

 private:
  struct Entry4 {
    std::uint32_t from;
    std::uint8_t length;
    RuleAction action;
    std::uint16_t list;
    auto operator<=>(const Entry4&) const = default;
  };
  struct Entry6 {
    std::array<std::byte, 16> from;
    std::uint8_t length;
    RuleAction action;
    std::uint16_t list;
    auto operator<=>(const Entry6&) const = default;
  };
  std::vector<Entry4> v4_;
  std::vector<Entry6> v6_;
};

// The number of what is said of an address; 0 = nothing. The ranges are in order.
std::uint32_t find_range(std::span<const Range4> ranges, std::uint32_t address) noexcept;
std::uint32_t find_range(std::span<const Range6> ranges,
                         std::span<const std::byte, 16> address) noexcept;

}  // namespace culvert::dns
