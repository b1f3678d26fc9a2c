#include "dns/rule_sets.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <iterator>

namespace culvert::dns {

RuleItem RuleItem::of(std::uint16_t list, const Rule& rule, bool badfilter) noexcept {
  return RuleItem(list | static_cast<unsigned>(rule.reach) << 8 |
                  static_cast<unsigned>(rule.action) << 10 | unsigned(rule.important) << 13 |
                  (badfilter ? badfilter_bit : 0u));
}

RuleSets::RuleSets() : begins_{0, 0}, single_(std::size_t{1} << 16) {}

std::span<const RuleItem> RuleSets::items(std::uint32_t set) const noexcept {
  return std::span(items_).subspan(begins_[set], begins_[set + 1] - begins_[set]);
}

std::uint32_t RuleSets::single(RuleItem item) {
  std::uint32_t& number = single_[item.bits()];
  if (number == none) number = intern(std::span(&item, 1));
  return number;
}

std::uint32_t RuleSets::unite(std::uint32_t a, std::uint32_t b) {
  if (a == b || b == none) return a;
  if (a == none) return b;
  const auto [known, fresh] =
      united_.try_emplace(std::uint64_t{std::min(a, b)} << 32 | std::max(a, b), none);
  if (!fresh) return known->second;
  std::vector<RuleItem> all;
  std::ranges::set_union(items(a), items(b), std::back_inserter(all));
  return known->second = intern(all);
}

std::uint32_t RuleSets::intern(std::span<const RuleItem> wanted) {
  const std::uint64_t hash = XXH3_64bits(wanted.data(), wanted.size_bytes());
  const auto [first, last] = by_hash_.equal_range(hash);
  for (auto it = first; it != last; ++it)
    if (std::ranges::equal(items(it->second), wanted)) return it->second;
  if (full()) return none;
  const std::uint32_t number = count();
  items_.insert(items_.end(), wanted.begin(), wanted.end());
  begins_.push_back(static_cast<std::uint32_t>(items_.size()));
  by_hash_.emplace(hash, number);
  return number;
}

bool reaches(Rule::Reach reach, bool at) noexcept {
  return reach == Rule::Reach::subdomains || (reach == Rule::Reach::exact) == at;
}

EffectiveSet effective(std::span<const RuleItem> items) {
  EffectiveSet set;
  std::uint64_t meanings = 0;  // one bit for each of 64
  for (const RuleItem item : items) {
    if (item.is_complex()) set.complex = true;
    if (item.is_complex() || item.badfilter()) continue;
    const bool taken = std::ranges::binary_search(items, item.badfilter_of());
    if (taken) {
      set.took.push_back(item.list());
      continue;
    }
    set.items.push_back(item);
    meanings |= std::uint64_t{1} << item.meaning();
  }
  set.rules = static_cast<unsigned>(std::popcount(meanings));
  return set;
}

RuleTable::Said EffectiveSet::said(bool at) const noexcept {
  RuleTable::Said said;
  for (const RuleItem item : items) {
    if (!reaches(item.reach(), at)) continue;
    ListMask& mask = item.important()
                         ? (item.allows() ? said.important_allow : said.important_block)
                         : (item.allows() ? said.allow : said.block);
    mask.set(item.list());
    said.set_action(item.list(), item.action());
  }
  return said;
}

}  // namespace culvert::dns
