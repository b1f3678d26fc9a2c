// QuotaUse: how much of a quota was used, in which period. Every byte is counted in exactly one
// period, the one the clock said when it was counted: a clock that jumps back and forth between two
// periods finds each as it left it, so nothing is counted twice and nothing is forgotten.
//
// One for every peer and every group; the ledger feeds it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "control/calendar.hpp"
#include "control/state_store.hpp"

namespace culvert::control {

// Periods of the calendar, which thousands of peers share: asked for once a tick.
class PeriodCache {
 public:
  explicit PeriodCache(const Calendar& calendar) : calendar_(&calendar) {}
  struct Period {
    Calendar::Span span;
    std::int64_t utc_offset = 0;  // at its end
  };
  void start(base::WallTime now);
  const Period& of(const Quota& quota);

 private:
  const Calendar* calendar_;
  base::WallTime now_{};
  std::map<std::pair<Quota::Period, unsigned>, Period> periods_;
};

class QuotaUse {
 public:
  struct Row {
    Seconds period = 0;  // its start
    std::uint64_t used = 0;
  };

  // What the database remembers, once: it is added to what was counted since.
  void restore(const std::vector<Row>& rows);
  // The quota and the period that hold now. True: what was used in this period before is not known
  // here, because the quota is new or another: history knows (set_used).
  bool enter(const std::optional<Quota>& quota, PeriodCache& periods);
  void count(std::uint64_t bytes) noexcept;
  void set_used(std::uint64_t used) noexcept;

  const std::optional<Quota>& quota() const noexcept { return quota_; }
  const PeriodCache::Period& period() const noexcept { return period_; }
  std::uint64_t used() const noexcept;
  bool reached() const noexcept { return quota_ && used() >= quota_->bytes; }
  bool stops() const noexcept {
    return reached() && quota_->over_up == 0 && quota_->over_down == 0;
  }
  std::uint64_t left() const noexcept { return reached() ? 0 : quota_->bytes - used(); }
  const std::vector<Row>& rows() const noexcept { return rows_; }

  // 0, 80 or 100 when that share of the quota was passed since the last call in this period.
  unsigned passed_mark() noexcept;
  // What was passed before we looked is no news.
  void skip_marks() noexcept { passed_mark(); }

 private:
  static constexpr std::size_t most_rows = 4;
  Row* current() noexcept;

  std::optional<Quota> quota_;
  PeriodCache::Period period_;
  std::vector<Row> rows_;  // one for each period that was counted in, the newest at the end
  unsigned marked_ = 0;
};

Seconds seconds_of(base::WallTime when) noexcept;

}  // namespace culvert::control
