#include "control/top_names.hpp"

#include <algorithm>

namespace culvert::control {

void TopNames::add(const std::string& name) {
  if (capacity_ == 0) return;
  ++total_;
  auto found = counters_.find(name);
  if (found != counters_.end()) {
    ranking_.erase({found->second.count, &found->first});
  } else {
    Counter start;
    if (counters_.size() == capacity_) {
      // The newcomer takes the smallest counter and inherits its count as its possible error.
      const Ranked least = *ranking_.begin();
      start = {least.first, least.first};
      ranking_.erase(ranking_.begin());
      counters_.erase(*least.second);
    }
    found = counters_.emplace(name, start).first;
  }
  ranking_.emplace(++found->second.count, &found->first);
}

std::vector<TopNames::Entry> TopNames::top(std::size_t most) const {
  std::vector<Entry> out;
  for (const auto& [name, counter] : counters_) out.push_back({name, counter.count, counter.error});
  std::ranges::sort(out, [](const Entry& a, const Entry& b) {
    return a.count != b.count ? a.count > b.count : a.name < b.name;
  });
  if (out.size() > most) out.resize(most);
  return out;
}

}  // namespace culvert::control
