#include <algorithm>
#include <iterator>

#include "control/sql_run.hpp"

namespace culvert::control {
namespace {

constexpr std::size_t rows_per_statement = 200;

template <class Each>
std::string joined(Each&& each) {
  std::string text;
  for (const UsageField& field : usage_fields) text += each(field.name);
  return text;
}

}  // namespace

long long to_sql(std::uint64_t value) noexcept {
  return static_cast<long long>(std::min<std::uint64_t>(value, INT64_MAX));
}

std::string usage_names() {
  return joined([](std::string_view name) { return fmt::format(", {}", name); });
}

std::string usage_sums(const char* table) {
  return joined([table](std::string_view name) {
    return fmt::format(", CAST(COALESCE(SUM({}.{}), 0) AS BIGINT)", table, name);
  });
}

std::string usage_added(const char* table) {
  return joined([table](std::string_view name) {
           return fmt::format(", {0} = {1}.{0} + excluded.{0}", name, table);
         })
      .substr(2);
}

std::string usage_replaced() {
  return joined([](std::string_view name) { return fmt::format(", {0} = excluded.{0}", name); })
      .substr(2);
}

void RowWriter::add(std::initializer_list<long long> keys) {
  rows_ += rows_.empty() ? "(" : ", (";
  fmt::format_to(std::back_inserter(rows_), "{}", fmt::join(keys, ","));
  end_row();
}

void RowWriter::add(std::initializer_list<long long> keys, const Usage& usage) {
  rows_ += rows_.empty() ? "(" : ", (";
  fmt::format_to(std::back_inserter(rows_), "{}", fmt::join(keys, ","));
  for (const UsageField& field : usage_fields)
    fmt::format_to(std::back_inserter(rows_), ",{}", to_sql(usage.*field.value));
  end_row();
}

void RowWriter::end_row() {
  rows_ += ')';
  if (++count_ == rows_per_statement) finish();
}

void RowWriter::finish() {
  if (count_ == 0) return;
  sql_ << head_ + rows_ + tail_;
  rows_.clear();
  count_ = 0;
}

void UsageColumns::bind(soci::statement& statement) {
  for (long long& value : values_) statement.exchange(soci::into(value));
}

Usage UsageColumns::usage() const noexcept {
  Usage usage;
  for (std::size_t i = 0; i < values_.size(); ++i)
    usage.*usage_fields[i].value = static_cast<std::uint64_t>(std::max(values_[i], 0LL));
  return usage;
}

}  // namespace culvert::control
