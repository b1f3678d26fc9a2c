// PolicyNumbers: parts of policies that many peers share, each by a number both the supervisor and
// its workers know, so that a group's ten thousand rules are told once and not with each of its
// members. A worker is forked with the table; what is new after that it is told before the first
// order that names it (workers.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "dns/settings.hpp"
#include "proxy/egress_policy.hpp"

namespace culvert::app {

template <class T>
class Numbered {
 public:
  using Pointer = std::shared_ptr<const T>;

  // 0 for null. What was not known gets the next number.
  std::uint64_t number_of(const Pointer& part) {
    if (!part) return 0;
    const auto [at, fresh] = numbers_.emplace(part.get(), last_ + 1);
    if (fresh) parts_.emplace(++last_, part);
    return at->second;
  }
  // Null if it is not known.
  Pointer find(std::uint64_t number) const {
    const auto found = parts_.find(number);
    return found == parts_.end() ? nullptr : found->second;
  }
  void set(std::uint64_t number, Pointer part) {
    numbers_[part.get()] = number;
    parts_[number] = std::move(part);
  }
  void forget(std::uint64_t number) {
    const auto found = parts_.find(number);
    if (found == parts_.end()) return;
    numbers_.erase(found->second.get());
    parts_.erase(found);
  }
  std::uint64_t last() const noexcept { return last_; }

  // Those that only this table still holds, which it forgets.
  std::vector<std::uint64_t> prune() {
    std::vector<std::uint64_t> unused;
    for (const auto& [number, part] : parts_)
      if (part.use_count() == 1) unused.push_back(number);
    for (const std::uint64_t number : unused) forget(number);
    return unused;
  }

 private:
  std::map<std::uint64_t, Pointer> parts_;
  std::map<const T*, std::uint64_t> numbers_;
  std::uint64_t last_ = 0;  // numbers only go up
};

using RuleNumbers = Numbered<proxy::EgressRules>;
using DnsPolicyNumbers = Numbered<dns::Policy>;

struct PolicyNumbers {
  RuleNumbers egress;
  DnsPolicyNumbers dns;
};

}  // namespace culvert::app
