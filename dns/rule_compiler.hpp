// RuleCompiler: lists to the file of a RuleTable. Runs in a child process of the supervisor: 2.2
// million rules in less than a second and 60 MiB. Bounds: 2^26 rules, 100,000 complex ones, 10,000
// patterns; what is above them is dropped and counted.
#pragma once

#include <string>
#include <vector>

#include "base/random.hpp"
#include "base/result.hpp"
#include "dns/list_parser.hpp"

namespace culvert::dns {

struct ListSource {
  ListSettings settings;
  std::string file;  // where its text is; "" or missing: it has no rules
};

struct CompiledList {
  ListReport report;
  std::string error;  // why it could not be read; its rules are missing then
};

struct CompileReport {
  std::vector<CompiledList> lists;  // as the sources
  std::uint64_t rules = 0;          // distinct
  std::uint64_t bytes = 0;          // of the file
  std::uint64_t generation = 0;
};

// Writes the table to `fd` (empty, seekable; a file or a memfd) and syncs it.
base::Result<CompileReport> compile_rules(const std::vector<ListSource>& lists, int fd,
                                          base::Random& random);

// Where a list's text says something that reaches `name`: for people (explain). Reads the file.
struct RuleLine {
  std::uint32_t line = 0;
  std::string text;  // as it stands there; control characters taken out, at most 500 octets
};
std::vector<RuleLine> find_lines(const ListSource& list, const Name& name, std::size_t most);

}  // namespace culvert::dns
