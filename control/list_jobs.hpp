// ListJobs: what is done with whole lists, each in a child process of its own, culvert-lists: it
// takes seconds for long ones, and reads what strangers wrote. The child has no network, no keys,
// and ends with its job, or when it gets nowhere.
//
// Clients' questions are answered on the same CPUs meanwhile. So it takes what others leave of
// them, and comes among the ordinary processes, at nice 10, when that was not enough for
// `patience`.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "dns/rule_compiler.hpp"

namespace culvert::control {

class ListJobs {
 public:
  template <class T>
  using Awaitable = boost::asio::awaitable<base::Result<T>>;

  static constexpr std::chrono::seconds patience{20};

  // Nothing is in force, and clients wait for it: the next jobs are ordinary processes.
  void make_haste(bool haste) noexcept { haste_ = haste; }

  // `in_child` runs first in each child: it wipes what the supervisor knows.
  explicit ListJobs(std::function<void()> in_child) : in_child_(std::move(in_child)) {}

  struct Taken {
    dns::ListReport report;
    std::uint64_t bytes = 0;
    std::string digest;  // SHA-256, hexadecimal
  };
  // Copies the file `from` to `to`, unpacked and on the disk, and reads it as a list. "" for one of
  // them: the other is only read.
  Awaitable<Taken> take_in(dns::ListSettings list, std::string from, std::string to);

  // dns::compile_rules() to `fd`.
  Awaitable<dns::CompileReport> compile(std::vector<dns::ListSource> lists, int fd);

  // dns::find_lines() in each of the lists, at most `most_lines` of each.
  using Lines = std::vector<std::vector<dns::RuleLine>>;
  Awaitable<Lines> find(std::vector<dns::ListSource> lists, dns::Name name);
  static constexpr std::size_t most_lines = 20;

  int pid() const noexcept { return pid_; }  // of a child that runs now; 0 = none

 private:
  using Work = std::function<nlohmann::json()>;
  Awaitable<nlohmann::json> run(Work work, std::vector<int> keep);

  std::function<void()> in_child_;
  int pid_ = 0;
  bool haste_ = false;
};

}  // namespace culvert::control
