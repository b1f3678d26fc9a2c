#include "dns/rule_builder.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <tuple>

#include "dns/complex_rule.hpp"
#include "dns/pattern_set.hpp"

namespace culvert::dns {
namespace {

// Of all complex rules.
constexpr std::size_t max_octets = std::size_t{32} << 20;

}  // namespace

RuleBuilder::RuleBuilder(std::vector<std::string> lists, base::Random& random, std::size_t merge_at)
    : unmerged_(merge_at), merge_at_(merge_at) {
  parts_.lists = std::move(lists);
  parts_.switched_off.resize(parts_.lists.size());
  for (std::uint64_t& word : parts_.key.words) word = random.u64() | 1;
  parts_.generation = random.u64();
  parts_.generation += parts_.generation == 0;
}
RuleBuilder::~RuleBuilder() = default;

RuleBuilder::Added RuleBuilder::add(std::uint16_t list, const Rule& rule, bool badfilter) {
  if (rules_added_ >= max_rules) return Added::too_many;
  ++rules_added_;
  if (!rule.answer_prefixes.empty()) {
    if (badfilter) return Added::yes;
    if (rule.action == RuleAction::rewrite)
      if (const Added added = add_complex(list, rule, false); added != Added::yes) return added;
    bool room = true;
    for (const base::Prefix& prefix : rule.answer_prefixes)
      room = room && parts_.addresses.add(list, rule.action, prefix);
    return room ? Added::yes : Added::too_many;
  }
  if (rule.is_complex() || !rule.pattern.empty()) return add_complex(list, rule, badfilter);
  add_domain({parts_.key, rule.domain}, parts_.sets.single(RuleItem::of(list, rule, badfilter)));
  return Added::yes;
}

void RuleBuilder::add_domain(const NamePath& path, std::uint32_t set) {
  const unsigned labels = path.labels();
  if (labels == 0) {
    parts_.root_set = parts_.sets.unite(parts_.root_set, set);
    return;
  }
  parts_.records.add(path.whole(), set);
  parts_.depths[labels / 64] |= std::uint64_t{1} << labels % 64;
  parts_.filter.add(path);
  if (parts_.records.size() >= merge_at_) merge();
}

void RuleBuilder::merge() {
  parts_.records.merge(
      [this](std::uint32_t a, std::uint32_t b) { return parts_.sets.unite(a, b); });
  merge_at_ = std::max(unmerged_, parts_.records.size() + parts_.records.size() / 3);
}

RuleBuilder::Added RuleBuilder::add_complex(std::uint16_t list, const Rule& rule, bool badfilter) {
  const std::size_t begin = parts_.octets.size();
  encode(list, rule, parts_.octets);
  const std::size_t size = parts_.octets.size() - begin;
  const std::uint64_t hash = XXH3_64bits(parts_.octets.data() + begin, size);
  const auto drop = [&](Added why) {
    parts_.octets.resize(begin);
    return why;
  };
  const bool full = parts_.octets.size() > max_octets || size > max_complex_octets ||
                    parts_.complex.size() >= max_complex_rules ||
                    complex_badfilters_.size() >= max_complex_rules;
  if (full) return drop(Added::too_many);
  if (badfilter) complex_badfilters_.insert(hash);
  if (badfilter || !complex_hashes_.insert(hash).second) return drop(Added::yes);

  std::uint32_t weight = 0;
  if (!rule.pattern.empty()) {
    weight = PatternSet::weight_of(rule.pattern);
    if (weight == 0) return drop(Added::bad_pattern);
    if (patterns_ >= max_patterns || pattern_weight_ + weight > PatternSet::max_weight)
      return drop(Added::too_many);
    ++patterns_;
    pattern_weight_ += weight;
  } else if (rule.answer_prefixes.empty()) {
    const NamePath path(parts_.key, rule.domain);
    parts_.anchors.push_back({path.whole().home(), path.whole().fingerprint(),
                              std::uint32_t(parts_.complex.size()), rule.reach});
    add_domain(path, parts_.sets.single(RuleItem::complex()));
  }
  parts_.complex.push_back({begin, size, hash, list, weight});
  return Added::yes;
}

void RuleBuilder::settle_complex() {
  constexpr std::uint32_t gone = UINT32_MAX;
  std::vector<std::uint32_t> numbers(parts_.complex.size(), gone);
  std::uint32_t next = 0;
  for (std::size_t i = 0; i < parts_.complex.size(); ++i) {
    if (complex_badfilters_.contains(parts_.complex[i].hash)) {
      ++parts_.switched_off[parts_.complex[i].list];
      continue;
    }
    numbers[i] = next;
    parts_.complex[next++] = parts_.complex[i];
  }
  parts_.complex.resize(next);
  for (RuleParts::Anchor& anchor : parts_.anchors) anchor.complex = numbers[anchor.complex];
  std::erase_if(parts_.anchors,
                [](const RuleParts::Anchor& anchor) { return anchor.complex == gone; });
  std::ranges::sort(parts_.anchors, [](const RuleParts::Anchor& a, const RuleParts::Anchor& b) {
    return std::tie(a.home, a.fingerprint, a.complex) < std::tie(b.home, b.fingerprint, b.complex);
  });
}

base::Result<RuleBuilder::Built> RuleBuilder::write(int fd) {
  settle_complex();
  merge();
  return write_rule_file(parts_, fd);
}

}  // namespace culvert::dns
