// GroupPlaces: the groups by their place in the memory shared with workers. A group keeps its place
// while it is configured, whatever else comes and goes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/peer.hpp"

namespace culvert::app {

class GroupPlaces {
 public:
  using Group = control::GroupConfig;

  // Where a group has no name nobody is now.
  const std::vector<Group>& list() const noexcept { return list_; }
  std::optional<std::size_t> place_of(std::string_view name) const noexcept {
    if (name.empty()) return std::nullopt;
    for (std::size_t i = 0; i < list_.size(); ++i)
      if (list_[i].name == name) return i;
    return std::nullopt;
  }

  // The groups there are from now on. Returns the places that were given to another group: what is
  // counted there is not its own.
  std::vector<std::size_t> set(std::map<std::string, Group> groups) {
    for (Group& group : list_) {
      const auto found = groups.find(group.name);
      if (found == groups.end()) {
        group = Group();
        continue;
      }
      group = std::move(found->second);
      groups.erase(found);
    }
    std::vector<std::size_t> given;
    std::size_t at = 0;
    for (auto& [name, group] : groups) {
      while (at < list_.size() && !list_[at].name.empty()) ++at;
      if (at == list_.size()) list_.emplace_back();
      list_[at] = std::move(group);
      given.push_back(at);
    }
    return given;
  }

 private:
  std::vector<Group> list_;
};

}  // namespace culvert::app
