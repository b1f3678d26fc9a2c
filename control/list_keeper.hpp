// ListKeeper: the lists of names as the API and the metrics see them. DnsLists is the one there is.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "control/server.hpp"
#include "dns/rule_compiler.hpp"
#include "dns/rule_table.hpp"

namespace culvert::control {

struct ListStatus {
  dns::ListSettings settings;
  bool has_copy = false;
  bool in_force = false;  // the rules that are in force were compiled with its copy
  bool updating = false;
  dns::ListReport report;   // of the copy
  std::uint64_t bytes = 0;  // of the copy
  std::optional<base::WallTime> checked, changed, next;
  std::uint64_t failures = 0;  // since the server was started
  std::string error;           // why the last try brought nothing; "" = it did
};

struct RulesStatus {
  std::uint64_t generation = 0, rules = 0, bytes = 0;  // of what is in force; 0 = there is nothing
  std::string error;    // why what was to follow it could not be compiled
  std::string trouble;  // what is lost when the process ends (ListFiles)
  // Lists without rules in force since the start: who has them is not answered until then.
  std::vector<std::string> awaited{};
};

struct ListUpdate {
  enum class Outcome : std::uint8_t { updated, unchanged, failed };
  std::string name;
  Outcome outcome = Outcome::failed;
  std::uint64_t rules = 0;  // of its copy, the new one or the old one
  std::string error;        // of `failed`
};
std::string_view to_string(ListUpdate::Outcome outcome) noexcept;
std::string_view to_string(dns::ListSettings::Format format) noexcept;

class ListKeeper {
 public:
  template <class T>
  using Promise = Server::Promise<T>;

  virtual ~ListKeeper() = default;

  virtual std::vector<ListStatus> lists() const = 0;  // in the order of the configuration
  virtual RulesStatus rules() const = 0;
  virtual std::shared_ptr<const dns::RuleTable> table() const = 0;  // in force; null = none

  // Looks for these lists now, none = all, and compiles what changed; the promise is kept when that
  // is in force. `force`: all of a list comes again, and what would be refused is taken.
  virtual Promise<std::vector<ListUpdate>> update(std::vector<std::string> names, bool force) = 0;

  struct Found {
    std::string list;
    std::vector<dns::RuleLine> lines;
  };
  // Where the copies of these lists say something that reaches `name`.
  virtual Promise<std::vector<Found>> find_lines(std::vector<std::string> lists,
                                                 dns::Name name) = 0;
};

}  // namespace culvert::control
