// LedgerBook: the Ledger. tick() once a second reads the counters of all peers, takes what is new
// since the last time, counts quotas, says in PeerControls and GroupControls where a worker has to
// stop, and every five seconds writes to the store.
//
// A peer is its public key: its totals stay when it goes, and its slot may be another's then.
// Without a store, or while the store fails, everything is kept in memory (UsageHistory).
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "control/calendar.hpp"
#include "control/events.hpp"
#include "control/ledger.hpp"
#include "control/quota_use.hpp"
#include "control/settings.hpp"
#include "control/state_store.hpp"
#include "control/top_destinations.hpp"
#include "control/usage_history.hpp"

namespace culvert::control {

class LedgerBook final : public Ledger {
 public:
  static constexpr base::Duration save_interval = std::chrono::seconds(5);

  // `store`: null = nothing persists. All of them outlive the ledger.
  LedgerBook(Server& server, StateStore* store, EventBus& events, Calendar calendar,
             const AccountingSettings& settings);

  void tick(base::WallTime now, base::Time boot);
  // The settings changed; quotas are counted in the new zone from the next tick on.
  void configure(Calendar calendar, const AccountingSettings& settings);
  // Before a peer is removed and its counters are cleared: what it used so far is written.
  void leave(std::uint32_t slot);
  // At the end: everything is counted and written.
  void close(base::WallTime now, base::Time boot);
  // The verdict of admission; a peer is admitted until it is told otherwise.
  void set_admitted(std::uint32_t slot, bool admitted);
  void add_destinations(std::uint32_t slot, std::span<const Destination> destinations);

  Usage total(std::uint32_t slot) const override;
  Rates rates(std::uint32_t slot) const override;
  std::optional<QuotaState> quota(std::uint32_t slot) const override;
  std::optional<QuotaState> group_quota(std::string_view group) const override;
  base::Stop stop(std::uint32_t slot) const override;
  Outcome<std::vector<UsageRow>> query(const UsageQuery& query) override;
  std::string trouble() const override;

 private:
  // What is kept of a peer or a group.
  struct Book {
    std::shared_ptr<Subject> subject;
    Usage before;  // of earlier runs, from the database
    Usage run;     // of this one
    Usage fresh;   // of `run`, what is not in history_ yet
    QuotaUse quota;
    bool restored = false, dirty = false;
    bool entered = false;    // `quota` follows what is configured
    bool look_back = false;  // `quota` has to ask history what was used before
    Usage total() const noexcept { return Usage(before) += run; }
  };
  struct Group;
  struct Account : Book {
    wg::PublicKey key;
    std::uint32_t slot = 0;
    std::uint64_t visit = 0;  // the tick that saw it last
    Usage seen;               // its counters then
    Group* group = nullptr;
    double up_rate = 0, down_rate = 0;  // bits per second
    bool admitted = true;
    base::Stop stop = base::Stop::none;
    base::Time burst_start{}, next_burst{};  // denials are counted from / told again from
    std::uint64_t burst = 0;
  };
  struct Group : Book {
    std::size_t place = 0;
    std::uint64_t visit = 0;
    std::uint64_t seen_used = 0;  // GroupControls::used
  };

  // ledger_book.cpp
  void carry_over(Book& book);
  void count_all(base::WallTime now, base::Time boot);
  void meet_peers();
  void meet_groups();
  Account& meet(const Peer& peer);
  void depart(Account& account);
  void count(Account& account, const base::PeerCounters& counters);
  void count_use(Book& book, const Usage& used);
  void settle(Book& book);
  void settle_all();
  Moment moment_of(base::WallTime when) const;

  // ledger_quota.cpp
  void enter_quotas();
  void look_back(Book& book);
  void count_group(Group& group);
  void apply(Account& account, const Peer& peer, base::WallTime now);
  void apply(Group& group);
  void follow_quota(Book& book, const std::optional<Quota>& quota);
  base::Stop stop_of(const Account& account, const Peer& peer, base::WallTime now) const;
  void show_quota(Account& account, base::PeerControls& controls) const;
  void tell_marks(Book& book, bool is_group);
  void watch_denials(Account& account, std::uint64_t denied);

  // ledger_save.cpp
  void mark_dirty(Book& book);
  void restore_all();
  void restore(const Remembered& remembered);
  void save_now();
  Batch next_batch();
  bool save_some();
  void forget_departed();
  void save(base::Time boot);
  void prune(base::WallTime now, base::Time boot);
  void watch_clock(base::WallTime now, base::Time boot);
  void watch_store();
  void write_anew();
  void failed();
  bool may_use_store() const noexcept { return store_ != nullptr && boot_ >= next_try_; }
  Retention retention(base::WallTime now) const;

  // ledger_query.cpp
  Outcome<std::vector<UsageRow>> query_history(const UsageQuery& query);
  Outcome<std::vector<UsageRow>> query_destinations(const UsageQuery& query);
  std::vector<HistoryQuery::Segment> segments(const UsageQuery& query) const;
  Outcome<> resolve_in_flight();

  const Group* group_of(const Account& account) const noexcept {
    return account.group != nullptr && account.group->visit == visit_ ? account.group : nullptr;
  }
  Account* of(std::uint32_t slot) const noexcept {
    return slot < by_slot_.size() ? by_slot_[slot] : nullptr;
  }

  Server& server_;
  StateStore* store_;
  EventBus& events_;
  Calendar calendar_;
  AccountingSettings settings_;
  PeriodCache periods_{calendar_};

  std::unordered_map<wg::PublicKey, std::unique_ptr<Account>, wg::PublicKeyHash> accounts_;
  std::vector<Account*> by_slot_;
  std::unordered_map<std::string, std::unique_ptr<Group>> groups_;
  std::vector<const Peer*> peers_;   // of this tick
  std::vector<Account*> present_;    // the accounts of peers_
  std::vector<std::string> places_;  // which group had a place in shared memory last
  std::deque<Book*> dirty_;          // to write, the oldest first
  std::vector<Book*> unrestored_;
  UsageHistory history_;
  std::optional<Batch> in_flight_;  // may be in the database or not: its answer was a fault
  std::uint64_t sequence_ = 0, visit_ = 0;

  base::WallTime now_{};
  base::Time boot_{}, last_boot_{};
  double seconds_ = 0;  // since the tick before
  Moment moment_;
  unsigned week_minute_ = 0;
  base::Time next_save_{}, next_prune_{}, next_try_{};
  base::Duration backoff_{};
  base::Duration clock_offset_{};
  bool started_ = false, failing_ = false, departed_ = false;
  base::WallTime failing_since_{};
  unsigned generation_ = 0;
};

}  // namespace culvert::control
