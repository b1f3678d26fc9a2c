// RuleBuilder: rules to the file of a RuleTable. It keeps hashes of domains (12 octets each) and
// numbers of sets, and the text of complex rules only. One list after the other is added; the
// same rules in several lists are merged whenever too much memory is asked for.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/random.hpp"
#include "base/result.hpp"
#include "dns/rule_parts.hpp"

namespace culvert::dns {

class RuleBuilder {
 public:
  enum class Added : std::uint8_t {
    yes,
    too_many,     // above a bound of rule_file.hpp
    bad_pattern,  // RE2 does not take it, or it is too large
  };
  using Built = BuiltRules;

  // 40 MiB of records.
  static constexpr std::size_t unmerged = 3'500'000;
  // `merge_at`: as many records are kept before they are merged.
  RuleBuilder(std::vector<std::string> lists, base::Random& random,
              std::size_t merge_at = unmerged);
  ~RuleBuilder();

  Added add(std::uint16_t list, const Rule& rule, bool badfilter);
  // Writes the file and syncs it. Once.
  base::Result<Built> write(int fd);

 private:
  Added add_complex(std::uint16_t list, const Rule& rule, bool badfilter);
  void add_domain(const NamePath& path, std::uint32_t set);
  void merge();
  void settle_complex();

  RuleParts parts_;
  const std::size_t unmerged_;
  std::size_t merge_at_;
  std::size_t rules_added_ = 0;
  std::unordered_set<std::uint64_t> complex_hashes_, complex_badfilters_;
  std::size_t patterns_ = 0;
  std::uint64_t pattern_weight_ = 0;
};

}  // namespace culvert::dns
