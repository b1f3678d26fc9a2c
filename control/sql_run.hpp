// Inside SqlStore: its transactions, and the ways rows are read and written. Only its .cpp files
// include this.
#pragma once

#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "control/sql_store.hpp"

namespace culvert::control {

// `work` is given the session, between BEGIN and COMMIT. A database that turns out to be corrupt or
// deleted is replaced by a new one, and the work is done again with that.
template <class Work>
Outcome<> SqlStore::run(Kind kind, const char* what, Work&& work) {
  const bool durable = kind == Kind::durable;
  for (bool again = true;; again = false) {
    try {
      if (sql_ != nullptr && again && access_ != Access::read && database_->is_gone())
        begin_anew(fmt::format("{}: somebody removed or replaced it; it is written anew",
                               database_->name()));
      if (sql_ == nullptr) open_session();
      if (durable) database_->set_durable(*sql_, true);
      *sql_ << database_->begin();
      work(*sql_);
      *sql_ << "COMMIT";
      if (durable) database_->set_durable(*sql_, false);
      write_failed_ = write_failed_ && kind == Kind::read;
      if (!write_failed_) trouble_.clear();
      return Nothing{};
    } catch (const std::exception& error) {
      write_failed_ = write_failed_ || kind != Kind::read;
      Problem problem = failed(what, error);
      if (!again || access_ != Access::serve || !database_->is_corrupt(error)) return problem;
      if (!replace_corrupt(reason_of(error))) return problem;
    }
  }
}

// Rows of whole numbers, as one statement for many of them: `head` ends with VALUES, `tail` is what
// follows the rows.
class RowWriter {
 public:
  RowWriter(soci::session& sql, std::string head, std::string tail)
      : sql_(sql), head_(std::move(head)), tail_(std::move(tail)) {}
  void add(std::initializer_list<long long> keys);
  void add(std::initializer_list<long long> keys, const Usage& usage);
  void finish();

 private:
  void end_row();

  soci::session& sql_;
  std::string head_, tail_, rows_;
  std::size_t count_ = 0;
};

// Reads the columns of a Usage into one, as they stand in usage_fields.
class UsageColumns {
 public:
  void bind(soci::statement& statement);
  Usage usage() const noexcept;

 private:
  std::array<long long, usage_fields.size()> values_{};
};

std::string usage_names();                       // ", up_bytes, ..."
std::string usage_sums(const char* table);       // ", CAST(SUM(h.up_bytes) AS BIGINT), ..."
std::string usage_added(const char* table);      // "up_bytes = table.up_bytes + excluded..."
std::string usage_replaced();                    // "up_bytes = excluded.up_bytes, ..."
long long to_sql(std::uint64_t value) noexcept;  // what the column can hold
void find_implausible(soci::session& sql, std::vector<std::string>& found);

}  // namespace culvert::control
