// What is written: batches of the ledger, records of an import, and what pruning takes away.
#include <map>
#include <tuple>

#include "control/sql_run.hpp"

namespace culvert::control {
namespace {

constexpr std::size_t most_known_subjects = 100000;

// For history rows, which are added, and those of an import, which replace.
std::string history_head() {
  return fmt::format("INSERT INTO culvert_history (span, start, subject{}) VALUES ", usage_names());
}
std::string totals_head() {
  return fmt::format("INSERT INTO culvert_totals (subject{}) VALUES ", usage_names());
}
constexpr const char* quotas_head = "INSERT INTO culvert_quotas (subject, period, used) VALUES ";

std::string on_conflict(const char* keys, const std::string& change) {
  return fmt::format(" ON CONFLICT ({}) DO UPDATE SET {}", keys, change);
}

struct DestinationWriter {
  DestinationWriter(soci::session& sql, const std::string& change) : statement(sql) {
    std::string values;
    statement.exchange(soci::use(day));
    statement.exchange(soci::use(subject));
    statement.exchange(soci::use(destination));
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      statement.exchange(soci::use(numbers[i]));
      values += fmt::format(", :v{}", i);
    }
    statement.alloc();
    statement.prepare(
        fmt::format("INSERT INTO culvert_destinations (day, subject, destination{}) VALUES "
                    "(:day, :subject, :destination{}){}",
                    usage_names(), values, on_conflict("day, subject, destination", change)));
    statement.define_and_bind();
  }

  void write(const DestinationRow& row, long long id) {
    day = row.day;
    subject = id;
    destination = row.destination;
    std::erase(destination, '\0');  // PostgreSQL takes none
    for (std::size_t i = 0; i < numbers.size(); ++i)
      numbers[i] = to_sql(row.usage.*usage_fields[i].value);
    statement.execute(true);
  }

  long long day = 0, subject = 0;
  std::string destination;
  std::array<long long, usage_fields.size()> numbers{};
  soci::statement statement;
};

bool is_written(soci::session& sql, std::uint64_t sequence) {
  long long last = 0;
  sql << "SELECT COALESCE(MAX(sequence), 0) FROM culvert_writer", soci::into(last);
  return last >= to_sql(sequence);
}

}  // namespace

long long SqlStore::subject_id(const Subject& subject) {
  const int kind = static_cast<int>(subject.kind);
  const std::string place = fmt::format("{}{}", kind, subject.key);
  auto known = subjects_.find(place);
  if (known == subjects_.end()) {
    if (subjects_.size() >= most_known_subjects) subjects_.clear();
    Known found;
    *sql_ << "SELECT id, name, member_of FROM culvert_subjects WHERE kind = :kind AND "
             "subject_key = :key",
        soci::use(kind, "kind"), soci::use(subject.key, "key"), soci::into(found.id),
        soci::into(found.name), soci::into(found.group);
    if (!sql_->got_data()) {
      *sql_ << "SELECT COALESCE(MAX(id), 0) + 1 FROM culvert_subjects", soci::into(found.id);
      found.name = subject.name;
      found.group = subject.group;
      *sql_ << "INSERT INTO culvert_subjects (id, kind, subject_key, name, member_of) VALUES "
               "(:id, :kind, :key, :name, :member)",
          soci::use(found.id, "id"), soci::use(kind, "kind"), soci::use(subject.key, "key"),
          soci::use(found.name, "name"), soci::use(found.group, "member");
    }
    known = subjects_.emplace(place, std::move(found)).first;
  }
  Known& row = known->second;
  if (row.name != subject.name || row.group != subject.group) {
    *sql_ << "UPDATE culvert_subjects SET name = :name, member_of = :member WHERE id = :id",
        soci::use(subject.name, "name"), soci::use(subject.group, "member"),
        soci::use(row.id, "id");
    row.name = subject.name;
    row.group = subject.group;
  }
  return row.id;
}

Outcome<> SqlStore::save(const Batch& batch) {
  return run(Kind::write, "written", [&](soci::session& sql) {
    if (is_written(sql, batch.sequence)) return;
    const long long sequence = to_sql(batch.sequence);
    sql << "UPDATE culvert_writer SET sequence = :sequence", soci::use(sequence, "sequence");
    RowWriter totals(sql, totals_head(), on_conflict("subject", usage_replaced()));
    for (const TotalRow& row : batch.totals) totals.add({subject_id(row.subject)}, row.usage);
    totals.finish();
    RowWriter quotas(sql, quotas_head, on_conflict("subject, period", "used = excluded.used"));
    for (const QuotaRow& row : batch.quotas)
      quotas.add({subject_id(row.subject), row.period, to_sql(row.used)});
    quotas.finish();
    // The same row twice in one statement is an error of PostgreSQL's.
    std::map<std::tuple<Span, Seconds, long long>, Usage> sums;
    for (const HistoryRow& row : batch.history)
      sums[{row.span, row.start, subject_id(row.subject)}] += row.usage;
    RowWriter history(sql, history_head(),
                      on_conflict("span, start, subject", usage_added("culvert_history")));
    for (const auto& [key, usage] : sums)
      history.add({static_cast<long long>(std::get<0>(key)), std::get<1>(key), std::get<2>(key)},
                  usage);
    history.finish();
    if (batch.destinations.empty()) return;
    DestinationWriter destinations(sql, usage_added("culvert_destinations"));
    for (const DestinationRow& row : batch.destinations)
      destinations.write(row, subject_id(row.subject));
  });
}

Outcome<> SqlStore::put_records(const std::function<std::optional<StateRecord>()>& next) {
  return run(Kind::durable, "written", [&](soci::session& sql) {
    RowWriter totals(sql, totals_head(), on_conflict("subject", usage_replaced()));
    RowWriter quotas(sql, quotas_head, on_conflict("subject, period", "used = excluded.used"));
    RowWriter history(sql, history_head(), on_conflict("span, start, subject", usage_replaced()));
    DestinationWriter destinations(sql, usage_replaced());
    while (const std::optional<StateRecord> record = next()) {
      if (const auto* peer = std::get_if<StoredPeer>(&*record)) write_peer(*peer);
      if (const auto* row = std::get_if<TotalRow>(&*record))
        totals.add({subject_id(row->subject)}, row->usage);
      if (const auto* row = std::get_if<QuotaRow>(&*record))
        quotas.add({subject_id(row->subject), row->period, to_sql(row->used)});
      if (const auto* row = std::get_if<HistoryRow>(&*record))
        history.add({static_cast<long long>(row->span), row->start, subject_id(row->subject)},
                    row->usage);
      if (const auto* row = std::get_if<DestinationRow>(&*record))
        destinations.write(*row, subject_id(row->subject));
    }
    totals.finish();
    quotas.finish();
    history.finish();
  });
}

namespace {

// Deletes a bounded stretch of the oldest rows that start before `limit`; true = there are more.
bool prune_some(soci::session& sql, const std::string& table, const char* time,
                const std::string& condition, Seconds limit, Seconds bite) {
  Seconds oldest = 0;
  soci::indicator found = soci::i_null;
  sql << fmt::format("SELECT MIN({}) FROM {} WHERE {}", time, table, condition),
      soci::into(oldest, found);
  if (found == soci::i_null || oldest >= limit) return false;
  const Seconds until = std::min(limit, oldest + bite);
  sql << fmt::format("DELETE FROM {} WHERE {} AND {} < :until", table, condition, time),
      soci::use(until, "until");
  return until < limit;
}

std::string of_span(Span span) {
  return fmt::format("span = {}", static_cast<int>(span));
}

}  // namespace

Outcome<bool> SqlStore::prune(const Retention& retention) {
  bool more = false;
  const Outcome<> done = run(Kind::write, "pruned", [&](soci::session& sql) {
    constexpr Seconds minute = 60, hour = 3600, day = 86400;
    const char* history = "culvert_history";
    more = prune_some(sql, history, "start", of_span(Span::minute), retention.minutes, 10 * minute);
    more |= prune_some(sql, history, "start", of_span(Span::hour), retention.hours, 6 * hour);
    more |= prune_some(sql, history, "start", of_span(Span::day), retention.days, 5 * day);
    more |= prune_some(sql, "culvert_destinations", "day", "1 = 1", retention.days, day);
    more |= prune_some(sql, "culvert_quotas", "period", "1 = 1", retention.quotas, day);
  });
  if (!done) return done.problem();
  return more;
}

}  // namespace culvert::control
