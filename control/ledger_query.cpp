// Answers: sums from the database and of what is not written yet.
#include <algorithm>
#include <limits>

#include "control/ledger_book.hpp"

namespace culvert::control {
namespace {

constexpr Seconds forever = std::numeric_limits<std::int64_t>::max();

base::WallTime wall_of(Seconds seconds) {
  return base::WallTime(std::chrono::seconds(seconds));
}

Problem bad_field(const char* field, const char* detail) {
  return {422, "Usage query makes no sense", "", {{field, detail}}};
}

}  // namespace

// The batch whose answer was a fault: if it was written after all, it must not be counted twice.
Outcome<> LedgerBook::resolve_in_flight() {
  if (!in_flight_ || store_ == nullptr) return Nothing{};
  const auto found = store_->recall({});
  if (!found) return found.problem();
  if (found->sequence >= in_flight_->sequence) in_flight_.reset();
  return Nothing{};
}

Outcome<std::vector<UsageRow>> LedgerBook::query(const UsageQuery& query) {
  if (query.until != base::WallTime{} && query.until < query.since)
    return bad_field("until", "it is before since");
  if (query.by == UsageBy::group && !query.peer.empty())
    return bad_field("peer", "usage by group is of whole groups, expected group or nothing");
  settle_all();
  if (const Outcome<> resolved = resolve_in_flight(); !resolved) return resolved.problem();
  return query.by == UsageBy::destination ? query_destinations(query) : query_history(query);
}

Outcome<std::vector<UsageRow>> LedgerBook::query_history(const UsageQuery& query) {
  HistoryQuery asked;
  const bool of_group = query.by == UsageBy::group ||
                        (!query.group.empty() && query.peer.empty() && query.by != UsageBy::peer);
  asked.kind = of_group ? Subject::Kind::group : Subject::Kind::peer;
  asked.name = of_group ? query.group : query.peer;
  if (!of_group) asked.group = query.group;
  asked.by_start = query.by != UsageBy::peer && query.by != UsageBy::group;
  asked.segments = segments(query);

  HistorySums sums;
  if (store_ != nullptr) {
    const auto stored = store_->history(asked);
    if (!stored) return stored.problem();
    for (const HistorySum& row : *stored) sums[{row.start, row.key}] += row.usage;
  }
  history_.sum(asked, sums);
  if (in_flight_)
    for (const HistoryRow& row : in_flight_->history) add_history(sums, asked, row);

  std::vector<UsageRow> rows;
  for (const auto& [key, usage] : sums) {
    const base::WallTime start = wall_of(key.first);
    rows.push_back({asked.by_start ? calendar_.to_string(start) : key.second,
                    asked.by_start ? start : base::WallTime{}, usage});
  }
  return rows;
}

Outcome<std::vector<UsageRow>> LedgerBook::query_destinations(const UsageQuery& query) {
  DestinationQuery asked;
  asked.from = seconds_of(calendar_.day(query.since).start);
  asked.until = query.until == base::WallTime{} ? forever : seconds_of(query.until);
  asked.name = query.peer;
  asked.group = query.group;
  std::map<std::string, Usage> sums;
  if (store_ != nullptr) {
    const auto stored = store_->destinations(asked);
    if (!stored) return stored.problem();
    for (const HistorySum& row : *stored) sums[row.key] += row.usage;
  }
  history_.sum(asked, sums);
  if (in_flight_)
    for (const DestinationRow& row : in_flight_->destinations)
      if (row.day >= asked.from && row.day < asked.until &&
          (asked.name.empty() || asked.name == row.subject.name || asked.name == row.subject.key) &&
          (asked.group.empty() || asked.group == row.subject.group))
        sums[row.destination] += row.usage;
  std::vector<UsageRow> rows;
  for (auto& [destination, usage] : sums) rows.push_back({destination, {}, usage});
  std::ranges::stable_sort(rows, std::greater<>(),
                           [](const UsageRow& row) { return row.usage.inner(); });
  return rows;
}

// By time: whole spans, from the one that holds `since` on. By peer and group: days where they lie
// wholly in the time asked for, hours and minutes at its ends as long as they are kept; what begins
// in it where they are not.
std::vector<HistoryQuery::Segment> LedgerBook::segments(const UsageQuery& query) const {
  const Seconds since = seconds_of(query.since), now = seconds_of(now_);
  const bool open = query.until == base::WallTime{} || query.until >= now_;
  const Seconds until = open ? forever : seconds_of(query.until);
  const Moment first = moment_of(query.since);
  if (query.by == UsageBy::minute) return {{Span::minute, first.minute, until}};
  if (query.by == UsageBy::hour) return {{Span::hour, first.hour, until}};
  if (query.by == UsageBy::day) return {{Span::day, first.day, until}};

  const auto whole = [&](Span span, Seconds at) {  // is it where a span begins?
    return at == forever || moment_of(wall_of(at)).start(span) == at;
  };
  const auto floor = [&](Span span, Seconds at) {
    return at == forever ? forever : moment_of(wall_of(at)).start(span);
  };
  const auto ceiling = [&](Span span, Seconds at) {
    if (whole(span, at)) return at;
    const Seconds begin = floor(span, at);
    if (span == Span::day) return seconds_of(calendar_.day(wall_of(at)).end);
    return begin + (span == Span::hour ? 3600 : 60);
  };
  std::vector<HistoryQuery::Segment> out;
  const auto add = [&out](Span span, Seconds from, Seconds to) {
    if (from < to) out.push_back({span, from, to});
  };
  // `kept`: since when there are rows of the next finer span.
  const auto cover = [&](auto&& self, Span span, Seconds from, Seconds to) -> void {
    if (from >= to) return;
    if (span == Span::minute) return add(span, from, to);
    const Span finer = span == Span::day ? Span::hour : Span::minute;
    const Seconds kept = now - (span == Span::day ? settings_.keep_hours : settings_.keep_minutes) /
                                   std::chrono::seconds(1);
    const Seconds begin = ceiling(span, from);
    Seconds end = floor(span, to);
    if (begin > end) {
      if (from >= kept) return self(self, finer, from, to);
      return add(span, from, to);
    }
    if (from >= kept) self(self, finer, from, begin);
    if (end >= kept)
      self(self, finer, end, to);
    else
      end = to;
    add(span, begin, end);
  };
  cover(cover, Span::day, since, until);
  return out;
}

}  // namespace culvert::control
