#include "dns/rule_file_view.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "dns/address_ranges.hpp"
#include "dns/complex_rule.hpp"

namespace culvert::dns {
namespace {

template <class Item>
bool take(base::Bytes file, const RuleFileHeader& header, RuleSection section,
          std::span<const Item>& items) {
  const RuleFileHeader::Section where = header.of(section);
  if (where.offset % section_alignment != 0 || where.offset < sizeof(header) ||
      where.offset > file.size() || where.size > file.size() - where.offset ||
      where.size % sizeof(Item) != 0)
    return false;
  items = {reinterpret_cast<const Item*>(file.data() + where.offset), where.size / sizeof(Item)};
  return true;
}

}  // namespace

base::Result<RuleFileView> RuleFileView::of(base::Bytes file, bool seen) {
  RuleFileView view;
  if (const std::string wrong = view.check(file, seen); !wrong.empty()) return base::Error{wrong};
  return view;
}

std::string RuleFileView::check(base::Bytes file, bool seen) {
  if (file.size() < sizeof(header_)) return "it is too short";
  std::memcpy(&header_, file.data(), sizeof(header_));
  if (header_.magic != rule_file_magic) return "it does not begin as a rule table of this machine";
  if (header_.version != rule_file_version)
    return "it has version " + std::to_string(header_.version) + ", this program reads version " +
           std::to_string(rule_file_version);
  if (header_.file_size != file.size())
    return "it has " + std::to_string(file.size()) + " octets, its header says " +
           std::to_string(header_.file_size);
  if (!is_sealed(file, !seen)) return "its checksums do not fit";
  if (std::string wrong = check_sections(file); !wrong.empty()) return wrong;
  for (const auto part : {&RuleFileView::check_sets, &RuleFileView::check_complex,
                          &RuleFileView::check_patterns, &RuleFileView::check_ranges})
    if (std::string wrong = (this->*part)(); !wrong.empty()) return wrong;
  return {};
}

std::string RuleFileView::check_sections(base::Bytes file) {
  std::span<const std::uint64_t> slots;
  base::Bytes lists;
  const bool good = take(file, header_, RuleSection::slots, slots) &&
                    take(file, header_, RuleSection::filter, filter_) &&
                    take(file, header_, RuleSection::sets, sets_) &&
                    take(file, header_, RuleSection::said, said_) &&
                    take(file, header_, RuleSection::attached, attached_) &&
                    take(file, header_, RuleSection::side, side_) &&
                    take(file, header_, RuleSection::complex, complex_) &&
                    take(file, header_, RuleSection::complex_at, complex_at_) &&
                    take(file, header_, RuleSection::patterns, patterns_) &&
                    take(file, header_, RuleSection::ranges4, ranges4_) &&
                    take(file, header_, RuleSection::ranges6, ranges6_) &&
                    take(file, header_, RuleSection::lists, lists);
  if (!good) return "a section lies outside of it";
  slots_ = slots.data();
  buckets_ = slots.size() / slots_of_bucket;
  if (slots.size() % slots_of_bucket != 0 || header_.homes == 0 || header_.homes > buckets_ ||
      header_.homes > UINT32_MAX || header_.generation == 0)
    return "its numbers of buckets do not fit";
  if (filter_.empty() || filter_.size() > UINT32_MAX) return "its filter has no words";
  return read_lists(lists);
}

std::string RuleFileView::read_lists(base::Bytes octets) {
  while (!octets.empty()) {
    std::uint16_t size = 0;
    if (octets.size() < sizeof(size)) return "the names of its lists are cut off";
    std::memcpy(&size, octets.data(), sizeof(size));
    octets = octets.subspan(sizeof(size));
    if (octets.size() < size || lists_.size() == max_lists)
      return "the names of its lists are cut off, or too many";
    lists_.emplace_back(reinterpret_cast<const char*>(octets.data()), size);
    octets = octets.subspan(size);
  }
  return {};
}

std::string RuleFileView::check_sets() const {
  const auto is_good = [&](const RuleSetEntry::Face& face) {
    return face.said < said_.size() && face.first <= attached_.size() &&
           face.complex <= attached_.size() - face.first;
  };
  for (const RuleSetEntry& set : sets_)
    if (!is_good(set.at) || !is_good(set.below)) return "a rule set points outside of it";
  if (header_.root_set != 0 && header_.root_set >= sets_.size())
    return "the rule set of the root is not there";
  if (!std::ranges::is_sorted(side_, {}, &SideEntry::slot)) return "its side table is not in order";
  return {};
}

std::string RuleFileView::check_complex() const {
  if (complex_at_.empty() || complex_at_.size() - 1 > max_complex_rules ||
      complex_at_.front() != 0 || complex_at_.back() != complex_.size() ||
      !std::ranges::is_sorted(complex_at_))
    return "its complex rules do not lie one behind the other";
  for (std::uint32_t i = 0; i < complex_count(); ++i) {
    const auto rule = decode(complex(i));
    if (!rule || rule->list >= lists_.size()) return "a complex rule cannot be read";
  }
  for (const std::uint32_t index : attached_)
    if (index >= complex_count()) return "a rule set points to a complex rule that is not there";
  return {};
}

std::string RuleFileView::check_patterns() const {
  if (patterns_.size() > max_patterns) return "it has too many patterns";
  for (const PatternEntry& pattern : patterns_)
    if (pattern.complex >= complex_count()) return "a pattern's rule is not there";
  return {};
}

std::string RuleFileView::check_ranges() const {
  const auto is_good = [&](const auto& range) { return range.said < said_.size(); };
  const auto from = [](const auto& range) { return range.from; };
  if (!std::ranges::all_of(ranges4_, is_good) || !std::ranges::all_of(ranges6_, is_good) ||
      !std::ranges::is_sorted(ranges4_, {}, from) || !std::ranges::is_sorted(ranges6_, {}, from))
    return "its address ranges are not in order";
  return {};
}

std::uint64_t RuleFileView::set_in_side_table(std::uint64_t slot) const noexcept {
  const auto found = std::ranges::lower_bound(
      side_, slot, {}, [](const SideEntry& entry) { return std::uint64_t{entry.slot}; });
  return found != side_.end() && found->slot == slot ? found->set : 0;
}

std::uint32_t RuleFileView::find_address(const base::IpAddress& address) const noexcept {
  if (address.is_v4()) return find_range(ranges4_, address.v4_word());
  if (address.is_v6()) return find_range(ranges6_, address.bytes().first<16>());
  return 0;
}

}  // namespace culvert::dns
