// RuleNumbers: sets of egress rules that policies share, by a number both the supervisor and its
// workers know, so that a group's ten thousand rules are told once and not with each of its
// members. A worker is forked with the table; what is new after that it is told by SetRules.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "proxy/egress_policy.hpp"

namespace culvert::app {

class RuleNumbers {
 public:
  using Rules = std::shared_ptr<const proxy::EgressRules>;

  // 0 for null. A set that was not known gets the next number.
  std::uint64_t number_of(const Rules& rules) {
    if (!rules) return 0;
    const auto [at, fresh] = numbers_.emplace(rules.get(), last_ + 1);
    if (fresh) sets_.emplace(++last_, rules);
    return at->second;
  }
  // Null if it is not known.
  Rules find(std::uint64_t number) const {
    const auto found = sets_.find(number);
    return found == sets_.end() ? nullptr : found->second;
  }
  void set(std::uint64_t number, Rules rules) {
    numbers_[rules.get()] = number;
    sets_[number] = std::move(rules);
  }
  void forget(std::uint64_t number) {
    const auto found = sets_.find(number);
    if (found == sets_.end()) return;
    numbers_.erase(found->second.get());
    sets_.erase(found);
  }
  std::uint64_t last() const noexcept { return last_; }

  // Those that only this table still holds, which it forgets.
  std::vector<std::uint64_t> prune() {
    std::vector<std::uint64_t> unused;
    for (const auto& [number, rules] : sets_)
      if (rules.use_count() == 1) unused.push_back(number);
    for (const std::uint64_t number : unused) forget(number);
    return unused;
  }

 private:
  std::map<std::uint64_t, Rules> sets_;
  std::map<const proxy::EgressRules*, std::uint64_t> numbers_;
  std::uint64_t last_ = 0;  // numbers only go up
};

}  // namespace culvert::app
