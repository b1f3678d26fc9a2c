// FixedLedger: a control::Ledger that says what a test puts in.
#pragma once

#include <map>
#include <string>

#include "control/ledger.hpp"

namespace culvert::control {

class FixedLedger final : public Ledger {
 public:
  std::map<std::uint32_t, QuotaState> quotas;
  std::map<std::string, QuotaState, std::less<>> group_quotas;
  std::map<std::uint32_t, base::Stop> stops;
  std::string store_trouble;

  Usage total(std::uint32_t) const override { return {}; }
  Rates rates(std::uint32_t) const override { return {}; }
  std::optional<QuotaState> quota(std::uint32_t slot) const override {
    const auto found = quotas.find(slot);
    if (found == quotas.end()) return {};
    return found->second;
  }
  std::optional<QuotaState> group_quota(std::string_view group) const override {
    const auto found = group_quotas.find(group);
    if (found == group_quotas.end()) return {};
    return found->second;
  }
  base::Stop stop(std::uint32_t slot) const override {
    const auto found = stops.find(slot);
    return found == stops.end() ? base::Stop::none : found->second;
  }
  Outcome<std::vector<UsageRow>> query(const UsageQuery&) override {
    return std::vector<UsageRow>{};
  }
  std::string trouble() const override { return store_trouble; }
};

}  // namespace culvert::control
