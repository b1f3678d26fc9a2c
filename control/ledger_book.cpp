// Counting: who is there, and what is new in the counters. ledger_quota.cpp tells the workers where
// to stop, ledger_save.cpp writes, ledger_query.cpp answers.
#include "control/ledger_book.hpp"

#include <algorithm>

namespace culvert::control {
namespace {

constexpr Seconds a_minute = 60, an_hour = 3600;

Seconds floor_to(Seconds when, Seconds unit) {
  return (when >= 0 ? when / unit : (when - unit + 1) / unit) * unit;
}

}  // namespace

LedgerBook::LedgerBook(Server& server, StateStore* store, EventBus& events, Calendar calendar,
                       const AccountingSettings& settings)
    : server_(server),
      store_(store),
      events_(events),
      calendar_(std::move(calendar)),
      settings_(settings),
      generation_(store != nullptr ? store->generation() : 0) {}

void LedgerBook::configure(Calendar calendar, const AccountingSettings& settings) {
  settle_all();
  const bool other_zone = calendar.zone() != calendar_.zone();
  calendar_ = std::move(calendar);
  settings_ = settings;
  if (!other_zone || !started_) return;
  moment_ = moment_of(now_ - std::chrono::nanoseconds(1));
  periods_ = PeriodCache(calendar_);
  periods_.start(now_);
  for (auto& [key, account] : accounts_) carry_over(*account);
  for (auto& [name, group] : groups_) carry_over(*group);
}

// Periods begin at another hour from now on; what was used in the one that goes on stays used.
void LedgerBook::carry_over(Book& book) {
  if (!book.quota.quota()) return;
  const std::optional<Quota> quota = book.quota.quota();
  const std::uint64_t used = book.quota.used();
  book.quota = QuotaUse();
  book.quota.enter(quota, periods_);
  book.quota.set_used(used);
  book.quota.skip_marks();
  mark_dirty(book);
}

void LedgerBook::tick(base::WallTime now, base::Time boot) {
  watch_clock(now, boot);
  count_all(now, boot);
  for (auto& [name, group] : groups_) apply(*group);
  for (std::size_t i = 0; i < peers_.size(); ++i) apply(*present_[i], *peers_[i], now);
  if (boot >= next_save_) save(boot);
  if (boot >= next_prune_) prune(now, boot);
}

// What happened since the last tick is put where the calendar was just before now, so that a tick
// at midnight closes the day.
void LedgerBook::count_all(base::WallTime now, base::Time boot) {
  now_ = now;
  boot_ = boot;
  seconds_ = started_ ? std::chrono::duration<double>(boot - last_boot_).count() : 0;
  last_boot_ = boot;
  const Moment moment = moment_of(now - std::chrono::nanoseconds(1));
  if (moment != moment_) settle_all();
  moment_ = moment;
  week_minute_ = calendar_.minute_of_week(now);
  if (!started_) periods_.start(now);
  ++visit_;
  meet_groups();
  meet_peers();
  restore_all();
  enter_quotas();
  for (auto& [name, group] : groups_) count_group(*group);
  for (Account* account : present_) count(*account, server_.counters(account->slot));
  started_ = true;
  // The bytes are counted in the period they were used in; only then a new one begins.
  periods_.start(now);
}

Moment LedgerBook::moment_of(base::WallTime when) const {
  const Seconds second = seconds_of(when);
  Moment moment;
  moment.minute = floor_to(second, a_minute);
  const Seconds offset = calendar_.utc_offset(when).count();
  moment.hour = floor_to(second + offset, an_hour) - offset;
  moment.day = seconds_of(calendar_.day(when).start);
  return moment;
}

void LedgerBook::meet_groups() {
  const std::vector<GroupConfig>& configs = server_.groups();
  if (places_.size() < configs.size()) places_.resize(configs.size());
  for (std::size_t place = 0; place < configs.size(); ++place) {
    const std::string& name = configs[place].name;
    std::unique_ptr<Group>& group = groups_[name];
    if (group == nullptr) {
      group = std::make_unique<Group>();
      group->subject = std::make_shared<Subject>(Subject{Subject::Kind::group, name, name, ""});
      unrestored_.push_back(group.get());
    }
    group->visit = visit_;
    if (group->place == place && places_[place] == name) continue;
    // The first that has a place begins with it at zero; a later one finds another's use there.
    group->place = place;
    group->seen_used = places_[place].empty() ? 0 : server_.group_controls(place).used.load();
    places_[place] = name;
  }
}

void LedgerBook::meet_peers() {
  peers_ = server_.peers();
  present_.clear();
  for (const Peer* peer : peers_) {
    Account* account = of(peer->slot);
    if (account == nullptr || account->key != peer->entry.public_key) account = &meet(*peer);
    account->visit = visit_;
    present_.push_back(account);
    Subject& subject = *account->subject;
    if (subject.name == peer->entry.name && subject.group == peer->entry.group) continue;
    settle(*account);
    subject.name = peer->entry.name;
    subject.group = peer->entry.group;
    mark_dirty(*account);
    const auto group = groups_.find(subject.group);
    account->group = group != groups_.end() ? group->second.get() : nullptr;
  }
  for (Account* account : by_slot_)
    if (account != nullptr && account->visit != visit_) depart(*account);
}

// A peer in a slot where it was not before.
LedgerBook::Account& LedgerBook::meet(const Peer& peer) {
  if (by_slot_.size() <= peer.slot) by_slot_.resize(peer.slot + 1);
  if (by_slot_[peer.slot] != nullptr) depart(*by_slot_[peer.slot]);
  std::unique_ptr<Account>& account = accounts_[peer.entry.public_key];
  if (account == nullptr) {
    account = std::make_unique<Account>();
    account->key = peer.entry.public_key;
    account->subject =
        std::make_shared<Subject>(Subject{Subject::Kind::peer, account->key.to_string(), "", ""});
    unrestored_.push_back(account.get());
  } else if (of(account->slot) == account.get()) {
    by_slot_[account->slot] = nullptr;  // it moved
  }
  account->slot = peer.slot;
  account->seen = {};
  account->admitted = true;
  account->group = nullptr;
  if (const auto group = groups_.find(peer.entry.group); group != groups_.end())
    account->group = group->second.get();
  by_slot_[peer.slot] = account.get();
  account->entered = false;
  return *account;
}

// Its account goes when nothing of it waits to be written: forget_departed().
void LedgerBook::depart(Account& account) {
  settle(account);
  mark_dirty(account);
  account.up_rate = account.down_rate = 0;
  account.seen = {};
  by_slot_[account.slot] = nullptr;
  departed_ = true;
}

// Where the server has it still, it is counted until it is gone.
void LedgerBook::leave(std::uint32_t slot) {
  Account* account = of(slot);
  if (account == nullptr || !started_) return;
  count(*account, server_.counters(slot));
  settle(*account);
  const Peer* peer = server_.find(account->key);
  if (peer == nullptr || peer->slot != slot) depart(*account);
  save_now();
}

void LedgerBook::count(Account& account, const base::PeerCounters& counters) {
  const Usage now = usage_of(counters);
  const double weight = std::min(1.0, seconds_ / 3);
  if (now == account.seen) {
    if (account.up_rate + account.down_rate == 0) return;
    account.up_rate -= account.up_rate * weight;
    account.down_rate -= account.down_rate * weight;
    if (account.up_rate + account.down_rate < 1000) account.up_rate = account.down_rate = 0;
    return;
  }
  // Counters that ran backwards were cleared for a new life of the same peer.
  const Usage used = ran_backwards(account.seen, now) ? now : now - account.seen;
  account.seen = now;
  count_use(account, used);
  account.quota.count(used.inner());
  if (account.group != nullptr) count_use(*account.group, used);
  if (used.denied != 0) watch_denials(account, used.denied);
  if (seconds_ <= 0) return;
  account.up_rate += (8.0 * double(used.up_bytes) / seconds_ - account.up_rate) * weight;
  account.down_rate += (8.0 * double(used.down_bytes) / seconds_ - account.down_rate) * weight;
}

void LedgerBook::count_use(Book& book, const Usage& used) {
  book.run += used;
  book.fresh += used;
  mark_dirty(book);
}

void LedgerBook::settle(Book& book) {
  if (book.fresh.empty()) return;
  history_.add(book.subject, moment_, book.fresh);
  book.fresh = {};
}

// What was counted so far belongs to the minute that ends. Only what changed can be fresh.
void LedgerBook::settle_all() {
  for (Book* book : dirty_) settle(*book);
}

void LedgerBook::set_admitted(std::uint32_t slot, bool admitted) {
  if (Account* account = of(slot)) account->admitted = admitted;
}

void LedgerBook::add_destinations(std::uint32_t slot, std::span<const Destination> destinations) {
  const Account* account = of(slot);
  if (account == nullptr || moment_.day == 0) return;
  for (const Destination& each : destinations) {
    Usage usage;
    usage.up_bytes = each.up;
    usage.down_bytes = each.down;
    usage.flows = each.flows;
    history_.add_destination(account->subject, moment_.day, each.address.to_string(), usage);
  }
}

Usage LedgerBook::total(std::uint32_t slot) const {
  const Account* account = of(slot);
  return account != nullptr ? account->total() : Usage{};
}

Rates LedgerBook::rates(std::uint32_t slot) const {
  const Account* account = of(slot);
  if (account == nullptr) return {};
  return {static_cast<std::uint64_t>(account->up_rate),
          static_cast<std::uint64_t>(account->down_rate)};
}

}  // namespace culvert::control
