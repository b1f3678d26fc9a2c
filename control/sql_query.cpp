// What is read: what the ledger starts with, sums of history, and everything for an export.
#include <unordered_set>

#include "control/sql_run.hpp"

namespace culvert::control {
namespace {

// Few are asked for one by one, many are picked from all.
constexpr std::size_t few = 64;

std::string place_of(Subject::Kind kind, const std::string& key) {
  return fmt::format("{}{}", static_cast<int>(kind), key);
}

// A statement whose columns are bound one after the other.
void start(soci::statement& statement, const std::string& text) {
  statement.alloc();
  statement.prepare(text);
  statement.define_and_bind();
  statement.execute();
}

struct SubjectColumns {
  void bind(soci::statement& statement) {
    statement.exchange(soci::into(kind));
    statement.exchange(soci::into(subject.key));
    statement.exchange(soci::into(subject.name));
    statement.exchange(soci::into(subject.group));
  }
  const Subject& get() {
    subject.kind = kind == 1 ? Subject::Kind::group : Subject::Kind::peer;
    return subject;
  }
  int kind = 0;
  Subject subject;
};
constexpr const char* subject_columns = "s.kind, s.subject_key, s.name, s.member_of";

// `only`: null = all of them.
void read_totals(soci::session& sql, const Subject* only,
                 const std::function<void(const TotalRow&)>& take) {
  SubjectColumns subject;
  UsageColumns usage;
  soci::statement rows(sql);
  subject.bind(rows);
  usage.bind(rows);
  int kind = 0;
  if (only != nullptr) {
    kind = static_cast<int>(only->kind);
    rows.exchange(soci::use(kind, "kind"));
    rows.exchange(soci::use(only->key, "key"));
  }
  start(rows, fmt::format("SELECT {}{} FROM culvert_totals h JOIN culvert_subjects s ON "
                          "s.id = h.subject{}",
                          subject_columns, usage_names(),
                          only != nullptr ? " WHERE s.kind = :kind AND s.subject_key = :key" : ""));
  while (rows.fetch()) take({subject.get(), usage.usage()});
}

void read_quotas(soci::session& sql, const Subject* only,
                 const std::function<void(const QuotaRow&)>& take) {
  SubjectColumns subject;
  long long period = 0, used = 0;
  soci::statement rows(sql);
  subject.bind(rows);
  rows.exchange(soci::into(period));
  rows.exchange(soci::into(used));
  int kind = 0;
  if (only != nullptr) {
    kind = static_cast<int>(only->kind);
    rows.exchange(soci::use(kind, "kind"));
    rows.exchange(soci::use(only->key, "key"));
  }
  start(rows, fmt::format("SELECT {}, h.period, h.used FROM culvert_quotas h JOIN "
                          "culvert_subjects s ON s.id = h.subject{}",
                          subject_columns,
                          only != nullptr ? " WHERE s.kind = :kind AND s.subject_key = :key" : ""));
  while (rows.fetch())
    take({subject.get(), period, static_cast<std::uint64_t>(std::max(used, 0LL))});
}

// The rows of `text`: a key (or with `by_start` a start) and sums of usage, of the peers that the
// query is about.
template <class Query>
std::vector<HistorySum> read_sums(soci::session& sql, const std::string& text, const Query& query,
                                  bool by_start) {
  std::vector<HistorySum> sums;
  HistorySum row;
  UsageColumns usage;
  soci::statement rows(sql);
  if (by_start)
    rows.exchange(soci::into(row.start));
  else
    rows.exchange(soci::into(row.key));
  usage.bind(rows);
  if (!query.name.empty()) {
    rows.exchange(soci::use(query.name, "name"));
    rows.exchange(soci::use(query.name, "key"));
  }
  if (!query.group.empty()) rows.exchange(soci::use(query.group, "member"));
  start(rows, text);
  while (rows.fetch()) {
    row.usage = usage.usage();
    sums.push_back(row);
  }
  return sums;
}

}  // namespace

Outcome<Remembered> SqlStore::recall(std::span<const Subject> subjects) {
  Remembered found;
  const Outcome<> done = run(Kind::read, "read", [&](soci::session& sql) {
    found = {};
    long long sequence = 0;
    sql << "SELECT COALESCE(MAX(sequence), 0) FROM culvert_writer", soci::into(sequence);
    found.sequence = static_cast<std::uint64_t>(std::max(sequence, 0LL));
    if (subjects.size() <= few) {
      for (const Subject& subject : subjects) {
        read_totals(sql, &subject, [&](const TotalRow& row) { found.totals.push_back(row); });
        read_quotas(sql, &subject, [&](const QuotaRow& row) { found.quotas.push_back(row); });
      }
      return;
    }
    std::unordered_set<std::string> wanted;
    for (const Subject& each : subjects) wanted.insert(place_of(each.kind, each.key));
    const auto is_wanted = [&](const Subject& subject) {
      return wanted.contains(place_of(subject.kind, subject.key));
    };
    read_totals(sql, nullptr, [&](const TotalRow& row) {
      if (is_wanted(row.subject)) found.totals.push_back(row);
    });
    read_quotas(sql, nullptr, [&](const QuotaRow& row) {
      if (is_wanted(row.subject)) found.quotas.push_back(row);
    });
  });
  if (!done) return done.problem();
  return found;
}

Outcome<std::uint64_t> SqlStore::used_since(const Subject& subject, Seconds day) {
  long long used = 0;
  const Outcome<> done = run(Kind::read, "read", [&](soci::session& sql) {
    const int kind = static_cast<int>(subject.kind), span = static_cast<int>(Span::day);
    sql << "SELECT CAST(COALESCE(SUM(h.up_bytes + h.down_bytes), 0) AS BIGINT) FROM "
           "culvert_history h JOIN culvert_subjects s ON s.id = h.subject WHERE s.kind = :kind "
           "AND s.subject_key = :key AND h.span = :span AND h.start >= :day",
        soci::use(kind, "kind"), soci::use(subject.key, "key"), soci::use(span, "span"),
        soci::use(day, "day"), soci::into(used);
  });
  if (!done) return done.problem();
  return static_cast<std::uint64_t>(std::max(used, 0LL));
}

Outcome<std::vector<HistorySum>> SqlStore::history(const HistoryQuery& query) {
  std::vector<HistorySum> sums;
  if (query.segments.empty()) return sums;
  std::string when;
  for (const HistoryQuery::Segment& each : query.segments)
    when +=
        fmt::format("{}(h.span = {} AND h.start >= {} AND h.start < {})",
                    when.empty() ? "" : " OR ", static_cast<int>(each.span), each.from, each.until);
  const char* key = query.by_start ? "h.start" : "s.name";
  const std::string text = fmt::format(
      "SELECT {}{} FROM culvert_history h JOIN culvert_subjects s ON s.id = h.subject WHERE "
      "s.kind = {} AND ({}){}{} GROUP BY {} ORDER BY {}",
      key, usage_sums("h"), static_cast<int>(query.kind), when,
      query.name.empty() ? "" : " AND (s.name = :name OR s.subject_key = :key)",
      query.group.empty() ? "" : " AND s.member_of = :member", key, key);
  const Outcome<> done = run(Kind::read, "read", [&](soci::session& sql) {
    sums = read_sums(sql, text, query, query.by_start);
  });
  if (!done) return done.problem();
  return sums;
}

Outcome<std::vector<HistorySum>> SqlStore::destinations(const DestinationQuery& query) {
  std::vector<HistorySum> sums;
  const std::string text = fmt::format(
      "SELECT h.destination{} FROM culvert_destinations h JOIN culvert_subjects s ON "
      "s.id = h.subject WHERE h.day >= {} AND h.day < {}{}{} GROUP BY h.destination "
      "ORDER BY SUM(h.up_bytes + h.down_bytes) DESC, h.destination LIMIT {}",
      usage_sums("h"), query.from, query.until,
      query.name.empty() ? "" : " AND (s.name = :name OR s.subject_key = :key)",
      query.group.empty() ? "" : " AND s.member_of = :member", query.limit);
  const Outcome<> done = run(
      Kind::read, "read", [&](soci::session& sql) { sums = read_sums(sql, text, query, false); });
  if (!done) return done.problem();
  return sums;
}

Outcome<> SqlStore::each_record(const std::function<void(const StateRecord&)>& take) {
  const Outcome<std::vector<StoredPeer>> stored = peers();
  if (!stored) return stored.problem();
  for (const StoredPeer& peer : *stored) take(peer);
  return run(Kind::read, "read", [&](soci::session& sql) {
    read_totals(sql, nullptr, [&](const TotalRow& row) { take(row); });
    read_quotas(sql, nullptr, [&](const QuotaRow& row) { take(row); });
    SubjectColumns subject;
    UsageColumns usage;
    long long span = 0;
    Seconds start_of = 0;
    soci::statement rows(sql);
    subject.bind(rows);
    rows.exchange(soci::into(span));
    rows.exchange(soci::into(start_of));
    usage.bind(rows);
    start(rows, fmt::format("SELECT {}, h.span, h.start{} FROM culvert_history h JOIN "
                            "culvert_subjects s ON s.id = h.subject ORDER BY h.span, h.start, s.id",
                            subject_columns, usage_names()));
    while (rows.fetch())
      take(HistoryRow{subject.get(), static_cast<Span>(span), start_of, usage.usage()});
    DestinationRow row;
    soci::statement destinations(sql);
    subject.bind(destinations);
    destinations.exchange(soci::into(row.day));
    destinations.exchange(soci::into(row.destination));
    usage.bind(destinations);
    start(destinations, fmt::format("SELECT {}, h.day, h.destination{} FROM culvert_destinations "
                                    "h JOIN culvert_subjects s ON s.id = h.subject ORDER BY h.day, "
                                    "s.id, h.destination",
                                    subject_columns, usage_names()));
    while (destinations.fetch()) {
      row.subject = subject.get();
      row.usage = usage.usage();
      take(row);
    }
  });
}

void find_implausible(soci::session& sql, std::vector<std::string>& found) {
  const auto count = [&](const std::string& query, const char* what) {
    long long n = 0;
    sql << query, soci::into(n);
    if (n != 0) found.push_back(fmt::format("{} {}", n, what));
  };
  std::string negative;
  for (const UsageField& field : usage_fields)
    negative += fmt::format("{}{} < 0", negative.empty() ? "" : " OR ", field.name);
  for (const char* table : {"culvert_totals", "culvert_history", "culvert_destinations"}) {
    count(fmt::format("SELECT COUNT(*) FROM {} WHERE {}", table, negative),
          fmt::format("rows of {} with a number below zero", table).c_str());
    count(fmt::format("SELECT COUNT(*) FROM {} h WHERE NOT EXISTS (SELECT 1 FROM culvert_subjects "
                      "s WHERE s.id = h.subject)",
                      table),
          fmt::format("rows of {} that belong to nobody", table).c_str());
  }
  count("SELECT COUNT(*) FROM culvert_history WHERE span < 0 OR span > 2",
        "rows of culvert_history that are neither minute nor hour nor day");
  count("SELECT COUNT(*) FROM culvert_quotas WHERE used < 0", "quotas used below zero");
  count("SELECT COUNT(*) FROM (SELECT name FROM culvert_peers GROUP BY name HAVING COUNT(*) > 1) n",
        "names that more than one stored peer has");
}

}  // namespace culvert::control
