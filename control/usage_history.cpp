#include "control/usage_history.hpp"

#include <algorithm>

namespace culvert::control {
namespace {

// What stands for all further destinations when too many wait.
constexpr const char* other_destinations = "(other)";

bool wanted(const std::string& name, const std::string& group, const Subject& subject) {
  return (name.empty() || name == subject.name || name == subject.key) &&
         (group.empty() || group == subject.group);
}

}  // namespace

void add_history(HistorySums& sums, const HistoryQuery& query, const HistoryRow& row) {
  if (row.subject.kind != query.kind || !wanted(query.name, query.group, row.subject)) return;
  for (const HistoryQuery::Segment& segment : query.segments) {
    if (row.span != segment.span || row.start < segment.from || row.start >= segment.until)
      continue;
    if (query.by_start)
      sums[{row.start, ""}] += row.usage;
    else
      sums[{0, row.subject.name}] += row.usage;
  }
}

void UsageHistory::add(const SubjectPtr& subject, const Moment& moment, const Usage& usage) {
  Row& row = rows_[Key{Span::minute, moment.minute, subject}];
  row.moment = moment;
  row.usage += usage;
  stay_bounded();
}

void UsageHistory::add_destination(const SubjectPtr& subject, Seconds day, std::string destination,
                                   const Usage& usage) {
  DestinationKey key{day, subject, std::move(destination)};
  if (destinations_.size() >= most_destinations && !destinations_.contains(key))
    key.destination = other_destinations;
  destinations_[std::move(key)] += usage;
}

void UsageHistory::take(std::size_t rows, Batch& batch) {
  while (rows != 0 && !rows_.empty()) {
    const auto& [key, row] = *rows_.begin();
    for (const Span span : {Span::minute, Span::hour, Span::day})
      if (span >= key.finest)
        batch.history.push_back({*key.subject, span, row.moment.start(span), row.usage});
    rows_.erase(rows_.begin());
    --rows;
  }
  while (rows != 0 && !destinations_.empty()) {
    const auto& [key, usage] = *destinations_.begin();
    batch.destinations.push_back({*key.subject, key.day, key.destination, usage});
    destinations_.erase(destinations_.begin());
    --rows;
  }
}

void UsageHistory::coarsen(std::map<Key, Row>::iterator at) {
  const Span coarser = at->first.finest == Span::minute ? Span::hour : Span::day;
  const Row row = at->second;
  const Key key{coarser, row.moment.start(coarser), at->first.subject};
  rows_.erase(at);
  Row& sum = rows_[key];
  sum.moment = row.moment;
  sum.usage += row.usage;
}

// The oldest of the finest go first: rows_ begins with them. Days stay, few as they are.
void UsageHistory::stay_bounded() {
  if (rows_.size() <= most_rows) return;
  for (std::size_t goal = most_rows * 3 / 4;
       rows_.size() > goal && rows_.begin()->first.finest != Span::day;)
    coarsen(rows_.begin());
}

void UsageHistory::prune(const Retention& retention) {
  const auto oldest = [this](Span span) {
    return rows_.lower_bound(Key{span, INT64_MIN, nullptr});
  };
  const auto before = [this](auto at, Span span, Seconds limit) {
    return at != rows_.end() && at->first.finest == span && at->first.start < limit;
  };
  for (auto at = oldest(Span::minute); before(at, Span::minute, retention.minutes);
       at = oldest(Span::minute))
    coarsen(at);
  for (auto at = oldest(Span::hour); before(at, Span::hour, retention.hours);
       at = oldest(Span::hour))
    coarsen(at);
  for (auto at = oldest(Span::day); before(at, Span::day, retention.days); at = oldest(Span::day))
    rows_.erase(at);
  std::erase_if(destinations_, [&](const auto& entry) { return entry.first.day < retention.days; });
}

void UsageHistory::sum(const HistoryQuery& query, HistorySums& sums) const {
  for (const auto& [key, row] : rows_)
    for (const Span span : {Span::minute, Span::hour, Span::day})
      if (span >= key.finest)
        add_history(sums, query, {*key.subject, span, row.moment.start(span), row.usage});
}

void UsageHistory::sum(const DestinationQuery& query, std::map<std::string, Usage>& sums) const {
  for (const auto& [key, usage] : destinations_)
    if (key.day >= query.from && key.day < query.until &&
        wanted(query.name, query.group, *key.subject))
      sums[key.destination] += usage;
}

std::uint64_t UsageHistory::used_since(const Subject& subject, Seconds day) const {
  std::uint64_t used = 0;
  for (const auto& [key, row] : rows_)
    if (row.moment.day >= day && key.subject->kind == subject.kind &&
        key.subject->key == subject.key)
      used += row.usage.inner();
  return used;
}

}  // namespace culvert::control
