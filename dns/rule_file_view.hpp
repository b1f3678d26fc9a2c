// RuleFileView: the sections of a rule table's file in memory, after every offset and number in
// them was checked. The slots are not read for it, there are millions: a number in a slot is
// checked when it is used. Nothing in the filter can harm.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ip.hpp"
#include "base/result.hpp"
#include "dns/rule_file.hpp"
#include "dns/rule_filter.hpp"

namespace culvert::dns {

class RuleFileView {
 public:
  RuleFileView() = default;
  // The octets stay where they are as long as it is used.
  static base::Result<RuleFileView> of(base::Bytes file, bool seen);

  const RuleFileHeader& header() const noexcept { return header_; }
  const std::vector<std::string>& lists() const noexcept { return lists_; }

  // May there be rules of a domain of rule_filter::least_labels, or of one below it?
  bool may_have_below(const DomainHash& domain) const noexcept {
    return may_have(domain, rule_filter::bits_at_or_below(domain));
  }
  // May there be rules of a domain that has at least as many labels?
  bool may_have(const DomainHash& domain) const noexcept {
    return may_have(domain, rule_filter::bits_at(domain));
  }
  // Are there rules about domains of so many labels?
  bool has_depth(unsigned labels) const noexcept {
    return header_.depths[labels / 64] >> labels % 64 & 1;
  }
  void prefetch_filter(DomainHash domain) const noexcept {
    __builtin_prefetch(&filter_[rule_filter::word_of(domain, filter_.size())]);
  }
  void prefetch(DomainHash domain) const noexcept {
    __builtin_prefetch(slots_ + home_bucket(domain.home(), header_.homes) * slots_of_bucket);
  }
  // The place of a domain's slot.
  std::optional<std::uint64_t> find(DomainHash domain) const noexcept {
    const std::uint64_t print = domain.fingerprint();
    const std::uint64_t home = home_bucket(domain.home(), header_.homes);
    const std::uint64_t last = std::min<std::uint64_t>(home + max_spill + 1, buckets_);
    for (std::uint64_t bucket = home; bucket < last; ++bucket) {
      const std::uint64_t* const slots = slots_ + bucket * slots_of_bucket;
      unsigned hits = 0;
      for (unsigned i = 0; i < slots_of_bucket; ++i)
        hits |= unsigned(slots[i] >> set_bits == print) << i;
      if (hits != 0) return bucket * slots_of_bucket + unsigned(std::countr_zero(hits));
      if (slots[slots_of_bucket - 1] == 0) break;  // they are filled from the first
    }
    return std::nullopt;
  }
  // null: there is none that says anything.
  const RuleSetEntry* set_of(std::uint64_t slot) const noexcept {
    std::uint64_t set = slots_[slot] & set_in_side;
    if (set == set_in_side) set = set_in_side_table(slot);
    return set != 0 && set < sets_.size() ? &sets_[set] : nullptr;
  }
  const RuleSetEntry* root_set() const noexcept {
    return header_.root_set != 0 ? &sets_[header_.root_set] : nullptr;
  }
  const RuleTable::Said& said(std::uint32_t number) const noexcept { return said_[number]; }
  std::span<const std::uint32_t> attached(const RuleSetEntry::Face& face) const noexcept {
    return attached_.subspan(face.first, face.complex);
  }
  std::size_t complex_count() const noexcept { return complex_at_.size() - 1; }
  base::Bytes complex(std::uint32_t index) const noexcept {
    return complex_.subspan(complex_at_[index], complex_at_[index + 1] - complex_at_[index]);
  }
  std::span<const PatternEntry> patterns() const noexcept { return patterns_; }
  std::uint32_t find_address(const base::IpAddress& address) const noexcept;  // number; 0 = nothing
  bool has_addresses() const noexcept { return !ranges4_.empty() || !ranges6_.empty(); }

 private:
  bool may_have(const DomainHash& domain, std::uint64_t bits) const noexcept {
    return (filter_[rule_filter::word_of(domain, filter_.size())] & bits) == bits;
  }
  std::string check(base::Bytes file, bool seen);  // what is wrong, or ""
  std::string check_sections(base::Bytes file);
  std::string check_sets() const;
  std::string check_complex() const;
  std::string check_patterns() const;
  std::string check_ranges() const;
  std::string read_lists(base::Bytes octets);
  std::uint64_t set_in_side_table(std::uint64_t slot) const noexcept;

  RuleFileHeader header_;
  const std::uint64_t* slots_ = nullptr;
  std::uint64_t buckets_ = 0;
  std::span<const std::uint64_t> filter_;
  std::span<const RuleSetEntry> sets_;
  std::span<const RuleTable::Said> said_;
  std::span<const std::uint32_t> attached_;
  std::span<const SideEntry> side_;
  base::Bytes complex_;
  std::span<const std::uint64_t> complex_at_;
  std::span<const PatternEntry> patterns_;
  std::span<const Range4> ranges4_;
  std::span<const Range6> ranges6_;
  std::vector<std::string> lists_;
};

}  // namespace culvert::dns
