// SaidTable: the distinct values of RuleTable::Said while a table is built; number 0 says nothing.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dns/rule_table.hpp"

namespace culvert::dns {

class SaidTable {
 public:
  SaidTable() { number(RuleTable::Said{}); }

  std::uint32_t number(const RuleTable::Said& said) {
    const std::string_view octets(reinterpret_cast<const char*>(&said), sizeof(said));
    const auto [known, fresh] =
        numbers_.try_emplace(std::string(octets), static_cast<std::uint32_t>(all_.size()));
    if (fresh) all_.push_back(said);
    return known->second;
  }
  const std::vector<RuleTable::Said>& all() const noexcept { return all_; }

 private:
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::vector<RuleTable::Said> all_;
};

}  // namespace culvert::dns
