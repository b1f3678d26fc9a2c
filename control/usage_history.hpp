// UsageHistory: usage per minute that is not in the database yet, or never will be if there is
// none. Bounded: when too much waits, minutes become hours and hours days; no byte is lost.
//
// The ledger adds to it and takes batches from it.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "control/state_store.hpp"

namespace culvert::control {

// Where in the calendar something happened: the minute, hour and day that hold it.
struct Moment {
  Seconds minute = 0, hour = 0, day = 0;
  Seconds start(Span span) const noexcept {
    return span == Span::minute ? minute : span == Span::hour ? hour : day;
  }
  friend bool operator==(const Moment&, const Moment&) = default;
};

using SubjectPtr = std::shared_ptr<const Subject>;

// Sums of a query, by start and key.
using HistorySums = std::map<std::pair<Seconds, std::string>, Usage>;
void add_history(HistorySums& sums, const HistoryQuery& query, const HistoryRow& row);

class UsageHistory {
 public:
  static constexpr std::size_t most_rows = 100000, most_destinations = 50000;

  void add(const SubjectPtr& subject, const Moment& moment, const Usage& usage);
  void add_destination(const SubjectPtr& subject, Seconds day, std::string destination,
                       const Usage& usage);

  // Hands over at most so many rows, the oldest first, each as rows of all its spans.
  void take(std::size_t rows, Batch& batch);
  // Minutes that begin before retention.minutes become hours and so on; days before go.
  void prune(const Retention& retention);
  std::size_t size() const noexcept { return rows_.size() + destinations_.size(); }
  bool empty() const noexcept { return size() == 0; }

  void sum(const HistoryQuery& query, HistorySums& sums) const;
  void sum(const DestinationQuery& query, std::map<std::string, Usage>& sums) const;
  std::uint64_t used_since(const Subject& subject, Seconds day) const;  // inner bytes

 private:
  struct Key {
    Span finest = Span::minute;  // what the row still tells apart
    Seconds start = 0;
    SubjectPtr subject;
    auto order() const noexcept { return std::tuple(finest, start, subject.get()); }
    friend bool operator<(const Key& a, const Key& b) noexcept { return a.order() < b.order(); }
  };
  struct Row {
    Moment moment;
    Usage usage;
  };
  struct DestinationKey {
    Seconds day = 0;
    SubjectPtr subject;
    std::string destination;
    auto order() const noexcept { return std::tie(day, destination, subject); }
    friend bool operator<(const DestinationKey& a, const DestinationKey& b) noexcept {
      return a.order() < b.order();
    }
  };
  void coarsen(std::map<Key, Row>::iterator row);
  void stay_bounded();

  std::map<Key, Row> rows_;
  std::map<DestinationKey, Usage> destinations_;
};

}  // namespace culvert::control
