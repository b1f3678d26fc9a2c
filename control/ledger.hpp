// Ledger: who used how much, when. Reads the counters of all peers once a second, keeps what the
// period's quotas need, and writes history to the store every few seconds. What the store does not
// take now stays here, bounded, and is written when it can be.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "control/server.hpp"
#include "control/usage.hpp"

namespace culvert::control {

enum class UsageBy : std::uint8_t { peer, group, destination, day, hour, minute };

struct UsageQuery {
  base::WallTime since{}, until{};
  UsageBy by = UsageBy::peer;
  std::string peer, group;  // "" = all
};

struct UsageRow {
  std::string key;         // peer or group name, destination, or the start of the time span
  base::WallTime start{};  // of a time span
  Usage usage;
};

// Where a peer stands in its quota now.
struct QuotaState {
  Quota quota;
  std::uint64_t used = 0;
  base::WallTime started{}, resets{};
  bool reached() const noexcept { return used >= quota.bytes; }
};

struct Rates {  // bits per second of inner packets over the last seconds
  std::uint64_t up = 0, down = 0;
};

// What the rest of the control plane asks of accounting.
class Ledger {
 public:
  virtual ~Ledger() = default;
  virtual Usage total(std::uint32_t slot) const = 0;  // since the peer was first known
  virtual Rates rates(std::uint32_t slot) const = 0;
  virtual std::optional<QuotaState> quota(std::uint32_t slot) const = 0;
  virtual std::optional<QuotaState> group_quota(std::string_view group) const = 0;
  virtual base::Stop stop(std::uint32_t slot) const = 0;
  virtual Outcome<std::vector<UsageRow>> query(const UsageQuery& query) = 0;
  // Empty if the store takes everything; else why it does not, since when, and how much waits.
  virtual std::string trouble() const = 0;
};

}  // namespace culvert::control
