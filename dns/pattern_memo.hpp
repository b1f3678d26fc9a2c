// PatternMemo: which patterns of a table fit a name, remembered for the names asked last, since a
// regular expression costs more than all else together. Bounded; a hit uses no heap. Names are told
// apart by 64 bits of a keyed hash.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "dns/rule_table.hpp"

namespace culvert::dns {

class PatternMemo {
 public:
  void forget();  // of another table
  // As indices for RuleTable::complex(); valid until the next call.
  std::span<const std::uint32_t> find(const RuleTable& table, const Name& name);

  static constexpr std::size_t sets = 1024, ways = 4;

 private:
  static constexpr std::size_t most = 7;  // fitting patterns of one name that are remembered
  struct Entry {
    std::uint64_t hash = 0;
    std::uint32_t used = 0;  // when last; 0 = free
    std::uint32_t count = 0;
    std::array<std::uint32_t, most> rules{};
  };

  std::vector<Entry> entries_;  // sets * ways, once it is used
  std::vector<std::uint32_t> found_;
  std::uint32_t now_ = 0;
};

}  // namespace culvert::dns
