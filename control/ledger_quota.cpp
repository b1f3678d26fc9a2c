// Where a worker has to stop: quotas, dates, hours and admission, as PeerControls and GroupControls
// say it.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "control/ledger_book.hpp"

namespace culvert::control {
namespace {

constexpr std::uint64_t burst_denials = 100;
constexpr base::Duration burst_window = std::chrono::seconds(10);
constexpr base::Duration burst_pause = std::chrono::minutes(1);

// A store dirties the cache line that a worker reads for every packet.
void set(base::Counter& counter, std::uint64_t value) noexcept {
  if (counter.get() != value) counter.set(value);
}

// Of a counter that stands at `counter` now: where the quota ends, never 0, which would be none.
std::uint64_t ceiling_of(const QuotaUse& quota, std::uint64_t counter) noexcept {
  if (!quota.quota()) return 0;
  if (quota.reached()) return std::max<std::uint64_t>(counter, 1);
  const std::uint64_t left = quota.left();
  return counter > UINT64_MAX - left ? UINT64_MAX : counter + left;
}

std::optional<QuotaState> state_of(const QuotaUse& use) {
  if (!use.quota()) return std::nullopt;
  return QuotaState{*use.quota(), use.used(), use.period().span.start, use.period().span.end};
}

std::string in_units(std::uint64_t bytes) {
  constexpr std::pair<double, const char*> units[] = {
      {1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}};
  for (const auto& [size, name] : units)
    if (double(bytes) >= size) return fmt::format("{:.4g} {}", double(bytes) / size, name);
  return fmt::format("{} bytes", bytes);
}

}  // namespace

// Of those that are new, so that their first bytes count.
void LedgerBook::enter_quotas() {
  const auto& configs = server_.groups();
  for (const GroupConfig& config : configs)
    if (Group& group = *groups_.at(config.name); !group.entered)
      follow_quota(group, config.total_quota);
  for (std::size_t i = 0; i < peers_.size(); ++i)
    if (!present_[i]->entered) follow_quota(*present_[i], peers_[i]->entry.policy.quota);
}

void LedgerBook::follow_quota(Book& book, const std::optional<Quota>& quota) {
  const bool first = !book.entered;
  book.entered = true;
  const bool unknown = book.quota.enter(quota, periods_);
  book.look_back = book.quota.quota() && (book.look_back || unknown);
  if (unknown || (book.look_back && !failing_)) look_back(book);
  if (first) book.quota.skip_marks();
}

// The days of history since the period began, in the database and here, are what was used.
void LedgerBook::look_back(Book& book) {
  const Seconds start = seconds_of(book.quota.period().span.start);
  const bool resolved = bool(resolve_in_flight());
  settle(book);
  std::uint64_t used = history_.used_since(*book.subject, start);
  if (in_flight_)
    for (const HistoryRow& row : in_flight_->history)
      if (row.span == Span::day && row.start >= start && row.subject.key == book.subject->key &&
          row.subject.kind == book.subject->kind)
        used += row.usage.inner();
  const bool is_new = book.restored && book.before.empty() && book.run.empty();
  book.look_back = store_ != nullptr && !is_new;
  if (book.look_back && resolved && !failing_)
    if (const auto stored = store_->used_since(*book.subject, start)) {
      used += *stored;
      book.look_back = false;
    }
  book.quota.set_used(used);
  mark_dirty(book);
}

void LedgerBook::count_group(Group& group) {
  if (group.visit != visit_) return;
  const std::uint64_t now =
      server_.group_controls(group.place).used.load(std::memory_order_relaxed);
  const std::uint64_t used = now < group.seen_used ? now : now - group.seen_used;
  group.seen_used = now;
  if (used == 0) return;
  group.quota.count(used);
  if (group.quota.quota()) mark_dirty(group);
}

void LedgerBook::apply(Group& group) {
  if (group.visit != visit_) return;  // it is configured no more
  follow_quota(group, server_.groups()[group.place].total_quota);
  base::GroupControls& controls = server_.group_controls(group.place);
  const QuotaUse& use = group.quota;
  set(controls.ceiling, ceiling_of(use, group.seen_used));
  set(controls.over_up, use.quota() ? use.quota()->over_up : 0);
  set(controls.over_down, use.quota() ? use.quota()->over_down : 0);
  tell_marks(group, true);
}

void LedgerBook::apply(Account& account, const Peer& peer, base::WallTime now) {
  follow_quota(account, peer.entry.policy.quota);
  base::PeerControls& controls = server_.controls(account.slot);
  const QuotaUse& use = account.quota;
  set(controls.ceiling, ceiling_of(use, account.seen.inner()));
  set(controls.over_up, use.quota() ? use.quota()->over_up : 0);
  set(controls.over_down, use.quota() ? use.quota()->over_down : 0);
  account.stop = stop_of(account, peer, now);
  set(controls.stop, static_cast<std::uint64_t>(account.stop));
  show_quota(account, controls);
  tell_marks(account, false);
}

base::Stop LedgerBook::stop_of(const Account& account, const Peer& peer, base::WallTime now) const {
  const Policy& policy = peer.entry.policy;
  if (policy.expires && now >= *policy.expires) return base::Stop::expired;
  if (!account.admitted) return base::Stop::admission;
  if (!policy.hours.empty() && !policy.hours.allow(week_minute_)) return base::Stop::hours;
  const Group* group = group_of(account);
  return account.quota.stops() || (group != nullptr && group->quota.stops()) ? base::Stop::quota
                                                                             : base::Stop::none;
}

// Of its own quota and its group's, the one that ends sooner.
void LedgerBook::show_quota(Account& account, base::PeerControls& controls) const {
  const QuotaUse* shown = account.quota.quota() ? &account.quota : nullptr;
  if (const Group* group = group_of(account); group != nullptr && group->quota.quota())
    if (shown == nullptr || group->quota.left() < shown->left()) shown = &group->quota;
  if (shown == nullptr) {
    set(controls.quota_bytes, 0);
    return;
  }
  set(controls.quota_bytes, shown->quota()->bytes);
  set(controls.used_before, shown->used());
  set(controls.counted_at, account.seen.inner());
  set(controls.resets_at, static_cast<std::uint64_t>(seconds_of(shown->period().span.end)));
  set(controls.utc_offset, static_cast<std::uint64_t>(shown->period().utc_offset));
}

void LedgerBook::tell_marks(Book& book, bool is_group) {
  const unsigned mark = book.quota.passed_mark();
  if (mark == 0) return;
  const Quota& quota = *book.quota.quota();
  const Seconds resets = seconds_of(book.quota.period().span.end);
  const std::string when = calendar_.to_string(book.quota.period().span.end);
  nlohmann::json data{{"percent", mark},
                      {"quota_bytes", quota.bytes},
                      {"used_bytes", book.quota.used()},
                      {"resets_at", resets}};
  if (is_group) data["group"] = book.subject->name;
  const std::string members = data.dump();
  events_.publish(EventKind::quota, is_group ? "" : book.subject->name,
                  fmt::format("{}{} of {} are used; it resets at {}",
                              is_group ? fmt::format("group {}: ", book.subject->name) : "",
                              in_units(book.quota.used()), in_units(quota.bytes), when),
                  members.substr(1, members.size() - 2), now_);
}

void LedgerBook::watch_denials(Account& account, std::uint64_t denied) {
  if (boot_ - account.burst_start >= burst_window) {
    account.burst_start = boot_;
    account.burst = 0;
  }
  account.burst += denied;
  if (account.burst <= burst_denials || boot_ < account.next_burst) return;
  account.next_burst = boot_ + burst_pause;
  events_.publish(EventKind::denied_burst, account.subject->name,
                  fmt::format("{} packets or connections were denied within 10 s", account.burst),
                  fmt::format("\"denied\":{}", account.burst), now_);
}

std::optional<QuotaState> LedgerBook::quota(std::uint32_t slot) const {
  const Account* account = of(slot);
  return account != nullptr ? state_of(account->quota) : std::nullopt;
}

std::optional<QuotaState> LedgerBook::group_quota(std::string_view name) const {
  const auto group = groups_.find(std::string(name));
  if (group == groups_.end() || group->second->visit != visit_) return std::nullopt;
  return state_of(group->second->quota);
}

base::Stop LedgerBook::stop(std::uint32_t slot) const {
  const Account* account = of(slot);
  return account != nullptr ? account->stop : base::Stop::none;
}

}  // namespace culvert::control
