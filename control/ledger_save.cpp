// What the ledger has from its store and gives to it. A store that fails costs nothing but memory:
// what was taken for a batch stays in it until its fate is known, the rest waits in history_.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.hpp"
#include "control/ledger_book.hpp"

namespace culvert::control {
namespace {

// Of one batch, which holds up the supervisor for some 10 ms.
constexpr std::size_t most_books = 1000, most_rows = 1000;

constexpr base::Duration first_backoff = std::chrono::seconds(5);
constexpr base::Duration longest_backoff = std::chrono::seconds(60);
constexpr base::Duration prune_interval = std::chrono::minutes(10);
// A wall clock that leapt by more than this is not believed at once where something is deleted.
constexpr base::Duration leap = std::chrono::hours(1);

std::string place_of(const Subject& subject) {
  return fmt::format("{}{}", static_cast<int>(subject.kind), subject.key);
}

}  // namespace

void LedgerBook::mark_dirty(Book& book) {
  if (book.dirty) return;
  book.dirty = true;
  dirty_.push_back(&book);
}

// Before the first byte of a peer is written, what is known of it must have been read.
void LedgerBook::restore_all() {
  if (unrestored_.empty() || (store_ != nullptr && !may_use_store())) return;
  if (store_ == nullptr) return restore({});
  std::vector<Subject> subjects;
  for (const Book* book : unrestored_) subjects.push_back(*book->subject);
  const Outcome<Remembered> remembered = store_->recall(subjects);
  if (!remembered) return failed();
  sequence_ = std::max(sequence_, remembered->sequence);
  restore(*remembered);
}

void LedgerBook::restore(const Remembered& remembered) {
  std::unordered_map<std::string, Book*> books;
  for (Book* book : unrestored_) {
    books.emplace(place_of(*book->subject), book);
    book->restored = true;
  }
  for (const TotalRow& row : remembered.totals)
    if (const auto book = books.find(place_of(row.subject)); book != books.end())
      book->second->before = row.usage;
  std::unordered_map<Book*, std::vector<QuotaUse::Row>> quotas;
  for (const QuotaRow& row : remembered.quotas)
    if (const auto book = books.find(place_of(row.subject)); book != books.end())
      quotas[book->second].push_back({row.period, row.used});
  for (auto& [book, rows] : quotas) {
    const Seconds now = book->entered ? seconds_of(book->quota.period().span.start) : 0;
    if (book->entered && std::ranges::find(rows, now, &QuotaUse::Row::period) != rows.end())
      book->look_back = false;
    book->quota.restore(rows);
  }
  unrestored_.clear();
}

Batch LedgerBook::next_batch() {
  Batch batch;
  for (std::size_t n = 0; n < most_books && !dirty_.empty(); ++n) {
    Book& book = *dirty_.front();
    dirty_.pop_front();
    book.dirty = false;
    settle(book);
    batch.totals.push_back({*book.subject, book.total()});
    for (const QuotaUse::Row& row : book.quota.rows())
      batch.quotas.push_back({*book.subject, row.period, row.used});
  }
  history_.take(most_rows, batch);
  return batch;
}

// One batch; true = it is written, or there was nothing to write.
bool LedgerBook::save_some() {
  if (!unrestored_.empty()) restore_all();
  if (!unrestored_.empty()) return false;
  if (!in_flight_) {
    Batch batch = next_batch();
    if (batch.empty()) return true;
    batch.sequence = ++sequence_;
    in_flight_ = std::move(batch);
  }
  if (!store_->save(*in_flight_)) {
    failed();
    return false;
  }
  in_flight_.reset();
  return true;
}

void LedgerBook::failed() {
  backoff_ = std::clamp(2 * backoff_, first_backoff, longest_backoff);
  next_try_ = boot_ + backoff_;
  watch_store();
}

void LedgerBook::save(base::Time boot) {
  if (store_ == nullptr) {
    settle_all();
    for (Book* book : dirty_) book->dirty = false;
    dirty_.clear();
    forget_departed();
    next_save_ = boot + save_interval;
    return;
  }
  if (!may_use_store()) return;
  const bool written = save_some();
  watch_store();
  if (!written) return;
  backoff_ = {};
  forget_departed();
  // What is more than a batch goes with the next ticks: each holds up the supervisor only so long.
  if (dirty_.empty() && history_.empty()) next_save_ = boot + save_interval;
}

// All of it, now; as far as the store takes it.
void LedgerBook::save_now() {
  if (!may_use_store()) return;
  while (in_flight_ || !dirty_.empty() || !history_.empty())
    if (!save_some()) break;
  watch_store();
}

void LedgerBook::close(base::WallTime now, base::Time boot) {
  count_all(now, boot);
  settle_all();
  next_try_ = {};
  save_now();
  if (store_ != nullptr && (in_flight_ || !history_.empty()))
    base::log::error("usage that could not be written is lost: {}", trouble());
}

void LedgerBook::forget_departed() {
  if (!departed_) return;
  departed_ = false;
  std::erase_if(accounts_, [this](const auto& entry) {
    const Account& account = *entry.second;
    if (of(account.slot) == &account) return false;
    const bool waits = account.dirty || !account.restored;
    departed_ |= waits;
    return !waits;
  });
}

// Says when the store begins and ceases to fail, and writes all anew into a new database.
void LedgerBook::watch_store() {
  if (store_->generation() != generation_) {
    generation_ = store_->generation();
    events_.publish(EventKind::state_failed, "", store_->renewal(), {}, now_);
    write_anew();
  }
  const std::string trouble = store_->trouble();
  if (trouble.empty() == !failing_) return;
  failing_ = !trouble.empty();
  if (failing_) {
    failing_since_ = now_;
    base::log::error("{}; it stays in memory and is tried again", trouble);
    events_.publish(EventKind::state_failed, "", trouble, {}, now_);
    return;
  }
  base::log::info("the state database is written again");
  events_.publish(EventKind::state_recovered, "", "the state database is written again", {}, now_);
}

// Totals and quotas of everybody, and the peers that were added at run time.
void LedgerBook::write_anew() {
  for (auto& [key, account] : accounts_) mark_dirty(*account);
  for (auto& [name, group] : groups_) mark_dirty(*group);
  for (const Peer* peer : server_.peers()) {
    if (peer->source != Source::database) continue;
    const Outcome<> put =
        store_->put_peer({peer->entry.public_key, peer->entry.name, peer->definition});
    if (!put) base::log::error("peer {}: {}", peer->entry.name, put.problem().to_line());
  }
}

void LedgerBook::watch_clock(base::WallTime now, base::Time boot) {
  const base::Duration offset = now.time_since_epoch() - boot.time_since_epoch();
  if (!started_) next_prune_ = boot + prune_interval;
  if (started_ && std::chrono::abs(offset - clock_offset_) > leap) {
    base::log::warn(
        "the wall clock leapt by {} s; history is not pruned for an hour",
        std::chrono::duration_cast<std::chrono::seconds>(offset - clock_offset_).count());
    next_prune_ = boot + leap;
  }
  clock_offset_ = offset;
}

Retention LedgerBook::retention(base::WallTime now) const {
  const AccountingSettings& keep = settings_;
  return {seconds_of(now - keep.keep_minutes), seconds_of(now - keep.keep_hours),
          seconds_of(now - keep.keep_days), seconds_of(now - std::chrono::days(70))};
}

void LedgerBook::prune(base::WallTime now, base::Time boot) {
  next_prune_ = boot + prune_interval;
  if (store_ == nullptr) return history_.prune(retention(now));
  if (!may_use_store()) return;
  const Outcome<bool> more = store_->prune(retention(now));
  if (more && *more) next_prune_ = boot + std::chrono::seconds(1);
  watch_store();
}

std::string LedgerBook::trouble() const {
  if (store_ == nullptr || store_->trouble().empty()) return "";
  return fmt::format("{}; since {}; {} rows of usage wait in memory", store_->trouble(),
                     calendar_.to_string(failing_since_), history_.size() + dirty_.size());
}

}  // namespace culvert::control
