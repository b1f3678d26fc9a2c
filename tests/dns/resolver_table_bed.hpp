// A resolver's Bed with a table of rules made of the texts of lists.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include "base/file_descriptor.hpp"
#include "dns/rule_compiler.hpp"
#include "tests/dns/resolver_bed.hpp"
#include "tests/support/catch.hpp"

namespace culvert::test {

struct List {
  std::string name;
  dns::ListSettings::Format format;
  std::string text;
  bool trusted = true;
};

inline dns::ListSettings settings_of(const List& list) {
  dns::ListSettings settings;
  settings.name = list.name;
  settings.path = list.name;
  settings.format = list.format;
  settings.trusted = list.trusted;
  return settings;
}

inline std::shared_ptr<const dns::RuleTable> compile(const std::vector<List>& lists) {
  std::vector<dns::ListSource> sources;
  std::vector<base::FileDescriptor> files;
  for (const List& list : lists) {
    files.emplace_back(::memfd_create("list", MFD_CLOEXEC));
    REQUIRE(::write(files.back().get(), list.text.data(), list.text.size()) ==
            ssize_t(list.text.size()));
    sources.push_back({settings_of(list), "/proc/self/fd/" + std::to_string(files.back().get())});
  }
  CountingRandom random;
  const base::FileDescriptor out(::memfd_create("table", MFD_CLOEXEC));
  const auto report = dns::compile_rules(sources, out.get(), random);
  REQUIRE(report);
  auto table = dns::RuleTable::map(out.get());
  REQUIRE(table);
  return *table;
}

struct TableBed {
  std::unique_ptr<Bed> bed;

  explicit TableBed(const std::vector<List>& lists, dns::Settings settings = {},
                    dns::Policy policy = {}) {
    for (const List& list : lists) {
      settings.lists.push_back(settings_of(list));
      policy.lists.push_back(list.name);
    }
    bed = std::make_unique<Bed>(settings, policy);
    bed->resolver->set_table(compile(lists));
  }
};

}  // namespace culvert::test
