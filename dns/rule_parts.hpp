// RuleParts: what RuleBuilder has gathered, and write_rule_file makes the file of a RuleTable from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "dns/address_ranges.hpp"
#include "dns/rule_file.hpp"
#include "dns/rule_filter.hpp"
#include "dns/rule_records.hpp"
#include "dns/rule_sets.hpp"

namespace culvert::dns {

struct RuleParts {
  // A complex rule; its octets lie in `octets`.
  struct Complex {
    std::size_t begin, size;
    std::uint64_t hash;  // of the octets
    std::uint16_t list;
    std::uint32_t weight;  // of its pattern; 0 = it has none
  };
  // Where a complex rule of a name without a pattern is found.
  struct Anchor {
    std::uint32_t home;
    std::uint64_t fingerprint;
    std::uint32_t complex;
    Rule::Reach reach;
  };

  std::vector<std::string> lists;
  NameKey key{};
  std::uint64_t generation = 0;
  RuleSets sets;
  RuleRecords records;  // one for each domain when the file is written
  RuleFilterBuilder filter;
  std::array<std::uint64_t, 2> depths{};  // as RuleFileHeader has them
  std::uint32_t root_set = RuleSets::none;
  std::vector<std::byte> octets;
  std::vector<Complex> complex;
  std::vector<Anchor> anchors;  // by home and fingerprint
  AddressRanges addresses;
  std::vector<std::uint64_t> switched_off;  // by list
};

struct BuiltRules {
  std::uint64_t rules = 0;  // distinct
  std::uint64_t bytes = 0;  // of the file
  std::uint64_t generation = 0;
  std::vector<std::uint64_t> switched_off;  // by list: rules that its $badfilter rules took away
};

// Uses the parts up.
base::Result<BuiltRules> write_rule_file(RuleParts& parts, int fd);

}  // namespace culvert::dns
