#include <algorithm>
#include <numeric>
#include <optional>

#include "dns/pattern_set.hpp"
#include "dns/rule_parts.hpp"
#include "dns/section_writer.hpp"

namespace culvert::dns {
namespace {

constexpr double load = 0.8;
constexpr std::uint32_t has_complex = UINT32_MAX;  // instead of a number: differs by domain

class RuleFileWriter {
 public:
  RuleFileWriter(RuleParts& parts, int fd) : parts_(parts), out_(fd) {}
  base::Result<BuiltRules> write();

 private:
  void number_sets();
  void write_slots();
  void write_filter();
  void put_slot(std::uint64_t slot);
  void put_record(std::uint32_t home, const RuleRecords::Record& record);
  std::uint32_t set_of_domain(std::uint32_t home, std::uint64_t fingerprint, std::uint32_t set);
  RuleSetEntry::Face face_of(const EffectiveSet& set, bool at,
                             std::span<const RuleParts::Anchor> anchors);
  RuleSetEntry entry_of(const EffectiveSet& set, std::span<const RuleParts::Anchor> anchors);
  void count(const EffectiveSet& set, std::uint64_t domains);
  void write_complex();
  void write_addresses();
  void write_lists();
  template <class Item>
  void write_section(RuleSection section, const std::vector<Item>& items) {
    out_.put_items(items);
    out_.end_section(header_, section);
  }

  RuleParts& parts_;
  SectionWriter out_;
  RuleFileHeader header_;
  std::vector<std::uint32_t> numbers_;  // of the file, by set of the parts
  std::vector<RuleSetEntry> entries_;
  std::vector<std::uint32_t> attached_;
  std::vector<SideEntry> side_;
  SaidTable said_;
  std::vector<std::uint64_t> slots_;  // that are to be put
  std::uint64_t next_slot_ = 0, domains_ = 0;
  std::size_t next_anchor_ = 0;
  bool spilled_ = false;
};

// The sets that most domains have come first: they lie together, and need no side table.
void RuleFileWriter::number_sets() {
  std::vector<std::uint64_t> uses(parts_.sets.count());
  for (unsigned i = 0; i < RuleRecords::partitions; ++i)
    for (const auto& record : parts_.records.look(i)) ++uses[record.set()];
  uses[parts_.root_set] += parts_.root_set != RuleSets::none;
  std::vector<std::uint32_t> order(uses.size() - 1);
  std::iota(order.begin(), order.end(), 1);
  std::ranges::stable_sort(order, [&](auto a, auto b) { return uses[a] > uses[b]; });

  numbers_.resize(uses.size());
  entries_.push_back({});  // nothing
  for (const std::uint32_t set : order) {
    if (uses[set] == 0) break;
    const EffectiveSet what = effective(parts_.sets.items(set));
    count(what, uses[set]);
    numbers_[set] = what.complex ? has_complex : static_cast<std::uint32_t>(entries_.size());
    if (!what.complex) entries_.push_back(entry_of(what, {}));
  }
  domains_ = parts_.records.size();
}

void RuleFileWriter::count(const EffectiveSet& set, std::uint64_t domains) {
  header_.rules += set.rules * domains;
  for (const std::uint16_t list : set.took) parts_.switched_off[list] += domains;
}

RuleSetEntry::Face RuleFileWriter::face_of(const EffectiveSet& set, bool at,
                                           std::span<const RuleParts::Anchor> anchors) {
  RuleSetEntry::Face face{said_.number(set.said(at)), static_cast<std::uint32_t>(attached_.size()),
                          0};
  for (const RuleParts::Anchor& anchor : anchors)
    if (reaches(anchor.reach, at)) attached_.push_back(anchor.complex);
  face.complex = static_cast<std::uint32_t>(attached_.size() - face.first);
  return face;
}

RuleSetEntry RuleFileWriter::entry_of(const EffectiveSet& set,
                                      std::span<const RuleParts::Anchor> anchors) {
  const RuleSetEntry::Face at = face_of(set, true, anchors);
  return {at, face_of(set, false, anchors)};
}

// Domains come in the order that the anchors are in.
std::uint32_t RuleFileWriter::set_of_domain(std::uint32_t home, std::uint64_t fingerprint,
                                            std::uint32_t set) {
  if (numbers_[set] != has_complex) return numbers_[set];
  const auto is_before = [&](const RuleParts::Anchor& anchor) {
    return anchor.home != home ? anchor.home < home : anchor.fingerprint < fingerprint;
  };
  while (next_anchor_ < parts_.anchors.size() && is_before(parts_.anchors[next_anchor_]))
    ++next_anchor_;
  const std::size_t first = next_anchor_;
  for (; next_anchor_ < parts_.anchors.size(); ++next_anchor_)
    if (const auto& anchor = parts_.anchors[next_anchor_];
        anchor.home != home || anchor.fingerprint != fingerprint)
      break;
  entries_.push_back(entry_of(effective(parts_.sets.items(set)),
                              std::span(parts_.anchors).subspan(first, next_anchor_ - first)));
  return static_cast<std::uint32_t>(entries_.size() - 1);
}

void RuleFileWriter::put_slot(std::uint64_t slot) {
  slots_.push_back(slot);
  ++next_slot_;
}

void RuleFileWriter::put_record(std::uint32_t home, const RuleRecords::Record& record) {
  const std::uint64_t bucket = home_bucket(home, header_.homes);
  while (next_slot_ < bucket * slots_of_bucket) put_slot(0);
  spilled_ = spilled_ || next_slot_ / slots_of_bucket - bucket > max_spill;
  std::uint64_t set = set_of_domain(home, record.fingerprint(), record.set());
  if (set >= set_in_side) {
    side_.push_back({static_cast<std::uint32_t>(next_slot_), static_cast<std::uint32_t>(set)});
    set = set_in_side;
  }
  put_slot(record.fingerprint() << set_bits | set);
}

void RuleFileWriter::write_slots() {
  header_.homes = 1 + static_cast<std::uint64_t>(double(domains_) / (slots_of_bucket * load));
  for (unsigned i = 0; i < RuleRecords::partitions; ++i) {
    for (const auto& record : parts_.records.take(i))
      put_record(RuleRecords::home_of(i, record), record);
    out_.put_items(slots_);
    slots_.clear();
  }
  while (next_slot_ < header_.homes * slots_of_bucket || next_slot_ % slots_of_bucket != 0)
    put_slot(0);
  write_section(RuleSection::slots, slots_);
  slots_ = {};
}

void RuleFileWriter::write_filter() {
  header_.depths = parts_.depths;
  out_.put(std::as_bytes(parts_.filter.finish()));
  out_.end_section(header_, RuleSection::filter);
  out_.end_bulk(header_);
}

void RuleFileWriter::write_complex() {
  std::vector<std::uint64_t> begins;
  std::vector<PatternEntry> patterns;
  std::uint64_t at = 0;
  std::uint32_t group = 0, weight = 0;
  for (std::uint32_t i = 0; i < parts_.complex.size(); ++i) {
    const RuleParts::Complex& complex = parts_.complex[i];
    out_.put(base::Bytes(parts_.octets).subspan(complex.begin, complex.size));
    begins.push_back(at);
    at += complex.size;
    if (complex.weight == 0) continue;
    if (weight + complex.weight > PatternSet::max_group_weight) ++group, weight = 0;
    weight += complex.weight;
    patterns.push_back({i, group});
  }
  begins.push_back(at);
  out_.end_section(header_, RuleSection::complex);
  write_section(RuleSection::complex_at, begins);
  write_section(RuleSection::patterns, patterns);
  header_.rules += parts_.complex.size();
}

void RuleFileWriter::write_lists() {
  for (const std::string& list : parts_.lists) {
    const auto size = static_cast<std::uint16_t>(std::min<std::size_t>(list.size(), UINT16_MAX));
    out_.put(std::as_bytes(std::span(&size, 1)));
    out_.put(std::as_bytes(std::span(list)).first(size));
  }
  out_.end_section(header_, RuleSection::lists);
}

base::Result<BuiltRules> RuleFileWriter::write() {
  header_.generation = parts_.generation;
  header_.key = parts_.key;
  number_sets();
  write_slots();
  write_filter();
  if (parts_.root_set != RuleSets::none) {
    const DomainHash root = hash_of_root(parts_.key);
    next_anchor_ = 0;
    header_.root_set = set_of_domain(root.home(), root.fingerprint(), parts_.root_set);
  }
  AddressRanges::Built addresses = parts_.addresses.build(said_);
  header_.rules += addresses.prefixes;
  write_section(RuleSection::sets, entries_);
  write_section(RuleSection::said, said_.all());
  write_section(RuleSection::attached, attached_);
  write_section(RuleSection::side, side_);
  write_complex();
  write_section(RuleSection::ranges4, addresses.v4);
  write_section(RuleSection::ranges6, addresses.v6);
  write_lists();
  if (const std::string error = out_.finish(header_); !error.empty()) return base::Error{error};
  if (parts_.sets.full())
    return base::Error{"the lists have more than " + std::to_string(RuleSets::max_count) +
                       " different sets of rules for a name"};
  if (spilled_) return base::Error{"the rule table has too many domains in one place; try again"};
  return BuiltRules{header_.rules, header_.file_size, header_.generation, parts_.switched_off};
}

}  // namespace

base::Result<BuiltRules> write_rule_file(RuleParts& parts, int fd) {
  return RuleFileWriter(parts, fd).write();
}

}  // namespace culvert::dns
