// TopNames: which names were asked most, in bounded memory: Space-Saving (Metwally, Agrawal, El
// Abbadi 2005). Every name with more than total/capacity of all questions is among its counters,
// and a counter is too high by at most its `error`.
//
// The QueryRecorder feeds it. A new name costs a logarithm of the capacity.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace culvert::control {

class TopNames {
 public:
  struct Entry {
    std::string name;
    std::uint64_t count = 0, error = 0;
  };

  explicit TopNames(std::size_t capacity) : capacity_(capacity) {}

  void add(const std::string& name);
  std::vector<Entry> top(std::size_t most) const;  // most questions first, then by name
  std::uint64_t total() const noexcept { return total_; }
  std::size_t size() const noexcept { return counters_.size(); }

 private:
  struct Counter {
    std::uint64_t count = 0, error = 0;
  };
  using Counters = std::unordered_map<std::string, Counter>;
  // A node of the map stays where it is while it is there.
  using Ranked = std::pair<std::uint64_t, const std::string*>;

  std::size_t capacity_;
  std::uint64_t total_ = 0;
  Counters counters_;
  std::set<Ranked> ranking_;  // the smallest first
};

}  // namespace culvert::control
