#include "control/quota_use.hpp"

#include <algorithm>

namespace culvert::control {

Seconds seconds_of(base::WallTime when) noexcept {
  return std::chrono::floor<std::chrono::seconds>(when.time_since_epoch()).count();
}

void PeriodCache::start(base::WallTime now) {
  now_ = now;
  std::erase_if(periods_, [now](const auto& entry) {
    return now < entry.second.span.start || now >= entry.second.span.end;
  });
}

const PeriodCache::Period& PeriodCache::of(const Quota& quota) {
  const auto key = std::pair(quota.period, quota.reset_day);
  auto found = periods_.find(key);
  if (found == periods_.end()) {
    const Calendar::Span span = calendar_->period(quota, now_);
    found = periods_.emplace(key, Period{span, calendar_->utc_offset(span.end).count()}).first;
  }
  return found->second;
}

QuotaUse::Row* QuotaUse::current() noexcept {
  const Seconds start = seconds_of(period_.span.start);
  for (Row& row : rows_)
    if (row.period == start) return &row;
  return nullptr;
}

void QuotaUse::restore(const std::vector<Row>& rows) {
  for (const Row& remembered : rows) {
    const auto same = std::ranges::find(rows_, remembered.period, &Row::period);
    if (same != rows_.end())
      same->used += remembered.used;
    else
      rows_.push_back(remembered);
  }
  std::ranges::sort(rows_, {}, &Row::period);
}

bool QuotaUse::enter(const std::optional<Quota>& quota, PeriodCache& periods) {
  if (!quota) {
    quota_.reset();
    rows_.clear();  // if it comes back, history knows what was used
    return false;
  }
  const PeriodCache::Period& now = periods.of(*quota);
  const bool other =
      !quota_ || quota_->period != quota->period || quota_->reset_day != quota->reset_day;
  const bool moved = other || period_.span.start != now.span.start;
  if (!quota_ || *quota_ != *quota) marked_ = 0;
  quota_ = quota;
  period_ = now;
  if (!moved) return false;
  marked_ = 0;
  const bool known = current() != nullptr;
  if (!known) {
    if (rows_.size() >= most_rows) rows_.erase(rows_.begin());
    rows_.push_back({seconds_of(now.span.start), 0});
    std::ranges::sort(rows_, {}, &Row::period);
  }
  return other && !known;
}

void QuotaUse::count(std::uint64_t bytes) noexcept {
  if (!quota_) return;
  if (Row* row = current()) row->used += bytes;
}

void QuotaUse::set_used(std::uint64_t used) noexcept {
  if (Row* row = current()) row->used = used;
}

std::uint64_t QuotaUse::used() const noexcept {
  const Seconds start = seconds_of(period_.span.start);
  for (const Row& row : rows_)
    if (row.period == start) return row.used;
  return 0;
}

unsigned QuotaUse::passed_mark() noexcept {
  if (!quota_) return 0;
  const unsigned mark = reached() ? 100 : used() / 4 >= quota_->bytes / 5 ? 80 : 0;
  if (mark <= marked_) return 0;
  marked_ = mark;
  return mark;
}

}  // namespace culvert::control
