// A ListKeeper that has what a test says.
#pragma once

#include "control/list_keeper.hpp"

namespace culvert::control {

struct FakeLists : ListKeeper {
  std::vector<ListStatus> lists() const override { return lists_; }
  RulesStatus rules() const override { return rules_; }
  std::shared_ptr<const dns::RuleTable> table() const override { return nullptr; }
  Promise<std::vector<ListUpdate>> update(std::vector<std::string> names, bool force) override {
    forced_ = force;
    std::vector<ListUpdate> results;
    for (const std::string& each : names) {
      if (each == "missing") co_return Problem{404, "List not found", "", {}};
      results.push_back({each, ListUpdate::Outcome::failed, 3, "HTTP status 404"});
    }
    co_return results;
  }
  Promise<std::vector<Found>> find_lines(std::vector<std::string>, dns::Name) override {
    co_return std::vector<Found>{};
  }

  std::vector<ListStatus> lists_;
  RulesStatus rules_;
  bool forced_ = false;
};

}  // namespace culvert::control
