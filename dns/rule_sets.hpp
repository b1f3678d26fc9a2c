// RuleSets: the distinct sets of what simple rules say of a domain, by number, while a table is
// built. Most domains share a few hundred of them.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "dns/rule.hpp"
#include "dns/rule_table.hpp"

namespace culvert::dns {

// What one rule says: its list, reach, and what it does; in 16 bits.
class RuleItem {
 public:
  // Stands for complex rules at the domain, which are kept elsewhere.
  static constexpr RuleItem complex() noexcept { return RuleItem(complex_bit); }
  static RuleItem of(std::uint16_t list, const Rule& rule, bool badfilter) noexcept;
  static RuleItem from(std::uint16_t bits) noexcept { return RuleItem(bits); }

  std::uint16_t bits() const noexcept { return bits_; }
  std::uint16_t list() const noexcept { return bits_ & 0xff; }
  Rule::Reach reach() const noexcept { return static_cast<Rule::Reach>(bits_ >> 8 & 3); }
  RuleAction action() const noexcept { return static_cast<RuleAction>(bits_ >> 10 & 7); }
  bool allows() const noexcept { return action() == RuleAction::allow; }
  bool important() const noexcept { return bits_ & 1 << 13; }
  bool badfilter() const noexcept { return bits_ & badfilter_bit; }
  bool is_complex() const noexcept { return bits_ & complex_bit; }
  // The $badfilter rule that takes it away.
  RuleItem badfilter_of() const noexcept { return RuleItem(bits_ | badfilter_bit); }
  // What it says, whatever list says it: below 64.
  unsigned meaning() const noexcept { return bits_ >> 8 & 63; }

  friend bool operator==(RuleItem, RuleItem) = default;
  friend auto operator<=>(RuleItem, RuleItem) = default;

 private:
  static constexpr std::uint16_t badfilter_bit = 1 << 14, complex_bit = 1 << 15;
  static_assert(std::size_t(RuleAction::tcp_only) < 8);
  constexpr explicit RuleItem(unsigned bits) noexcept : bits_(static_cast<std::uint16_t>(bits)) {}
  std::uint16_t bits_;
};

class RuleSets {
 public:
  static constexpr std::uint32_t none = 0;  // the empty set
  static constexpr std::uint32_t max_count = (1u << 24) - 1;

  RuleSets();
  std::uint32_t single(RuleItem item);
  std::uint32_t unite(std::uint32_t a, std::uint32_t b);
  std::span<const RuleItem> items(std::uint32_t set) const noexcept;  // sorted
  std::uint32_t count() const noexcept { return static_cast<std::uint32_t>(begins_.size() - 1); }
  bool full() const noexcept { return count() >= max_count; }  // further ones are not kept apart

 private:
  std::uint32_t intern(std::span<const RuleItem> items);

  std::vector<RuleItem> items_;
  std::vector<std::uint32_t> begins_;
  std::vector<std::uint32_t> single_;  // by the bits of the item; 0 = not yet
  std::unordered_map<std::uint64_t, std::uint32_t> united_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> by_hash_;
};

// The set without what $badfilter takes away.
struct EffectiveSet {
  std::vector<RuleItem> items;      // without the mark of complex rules
  std::vector<std::uint16_t> took;  // the lists whose rules were taken away, once for each
  unsigned rules = 0;               // distinct, whatever lists say them
  bool complex = false;
  // What they say of the domain itself, or of the names below it.
  RuleTable::Said said(bool at) const noexcept;
};
EffectiveSet effective(std::span<const RuleItem> items);

bool reaches(Rule::Reach reach, bool at) noexcept;

}  // namespace culvert::dns
