// Tables of rules from texts, as the supervisor makes them, but in memory.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/file_descriptor.hpp"
#include "dns/rule_compiler.hpp"
#include "dns/rule_table.hpp"

namespace culvert::dns::test {

struct ListText {
  std::string name, text;
  bool trusted = false, allows = false;
  ListSettings::Format format = ListSettings::Format::adblock;
};

inline ListSettings settings_of(const ListText& list) {
  ListSettings out;
  out.name = list.name;
  out.format = list.format;
  out.trusted = list.trusted;
  out.allows = list.allows;
  out.force = true;
  return out;
}

inline std::shared_ptr<const RuleTable> make_table(const std::vector<ListText>& lists) {
  std::vector<base::FileDescriptor> files;
  std::vector<ListSource> sources;
  for (const ListText& list : lists) {
    files.emplace_back(memfd_create("list", 0));
    const auto written = write(files.back().get(), list.text.data(), list.text.size());
    if (written != ssize_t(list.text.size())) throw std::runtime_error("the list was not written");
    ListSource source;
    source.settings = settings_of(list);
    source.file = "/proc/self/fd/" + std::to_string(files.back().get());
    sources.push_back(source);
  }
  const base::FileDescriptor out(memfd_create("table", 0));
  base::SystemRandom random;
  const auto report = compile_rules(sources, out.get(), random);
  if (!report) throw std::runtime_error(report.error());
  auto table = RuleTable::map(out.get());
  if (!table) throw std::runtime_error(table.error());
  return *table;
}

}  // namespace culvert::dns::test
