// What the tests of the rule table have in common: tables in memory, and names at random.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/file_descriptor.hpp"
#include "base/random.hpp"
#include "dns/rule_builder.hpp"
#include "dns/rule_table.hpp"

namespace culvert::dns::test {

class SeededRandom final : public base::Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void fill(base::MutableBytes out) noexcept override {
    for (std::byte& each : out) each = std::byte(engine_() & 0xff);
  }

 private:
  std::mt19937_64 engine_;
};

inline Name name(const std::string& text) {
  const auto parsed = Name::parse(text);
  if (!parsed) throw std::invalid_argument("no name: " + text);
  return *parsed;
}

inline base::FileDescriptor memory_file() {
  return base::FileDescriptor(::memfd_create("rules", MFD_CLOEXEC));
}

inline Rule rule_at(const std::string& domain, RuleAction action = RuleAction::block,
                    Rule::Reach reach = Rule::Reach::subdomains, bool important = false) {
  Rule rule;
  rule.domain = name(domain);
  rule.action = action;
  rule.reach = reach;
  rule.important = important;
  return rule;
}

struct AddedRule {
  std::uint16_t list;
  Rule rule;
  bool badfilter = false;
};

struct BuiltTable {
  base::FileDescriptor file;
  BuiltRules built;
  std::shared_ptr<const RuleTable> table;
};

inline BuiltTable build(const std::vector<AddedRule>& rules, std::size_t lists = 4,
                        std::uint64_t seed = 1) {
  SeededRandom random(seed);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < lists; ++i) names.push_back("list" + std::to_string(i));
  RuleBuilder builder(names, random);
  for (const AddedRule& each : rules) builder.add(each.list, each.rule, each.badfilter);
  BuiltTable out{memory_file(), {}, {}};
  auto built = builder.write(out.file.get());
  if (!built) throw std::runtime_error(built.error());
  out.built = *built;
  auto table = RuleTable::map(out.file.get());
  if (!table) throw std::runtime_error(table.error());
  out.table = *table;
  return out;
}

}  // namespace culvert::dns::test
