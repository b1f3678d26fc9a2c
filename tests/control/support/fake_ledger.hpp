// FakeLedger: a Ledger with what a test says, for tests of the API.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/ledger.hpp"

namespace culvert::control {

class FakeLedger : public Ledger {
 public:
  Usage total(std::uint32_t) const override { return total_; }
  Rates rates(std::uint32_t) const override { return {1000, 2000}; }
  std::optional<QuotaState> quota(std::uint32_t) const override { return quota_; }
  std::optional<QuotaState> group_quota(std::string_view) const override { return group_quota_; }
  base::Stop stop(std::uint32_t) const override { return stop_; }
  Outcome<std::vector<UsageRow>> query(const UsageQuery& query) override {
    asked = query;
    if (!trouble_.empty()) return Problem{503, "State database", trouble_, {}};
    return rows_;
  }
  std::string trouble() const override { return trouble_; }

  Usage total_;
  std::optional<QuotaState> quota_, group_quota_;
  base::Stop stop_ = base::Stop::none;
  std::vector<UsageRow> rows_;
  std::string trouble_;
  UsageQuery asked;
};

}  // namespace culvert::control
