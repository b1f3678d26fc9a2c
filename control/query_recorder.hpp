// QueryRecorder: takes the DNS questions that the workers tell of and gives them to the query log,
// to a short memory of the latest, and to the counters of the most asked names. What is told at all
// is the policy's of each client (dns::LogPrivacy).
//
// The control plane ticks it with the FlowRecorder, and before a slot is given to another peer.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/rotating_log.hpp"
#include "control/server.hpp"
#include "control/top_names.hpp"

namespace culvert::control {

// A question with its words; the record has the numbers.
struct QueryEntry {
  std::uint64_t id = 0;  // from 1, one more with each
  dns::QueryRecord record;
  std::string peer, group, name, list, upstream;  // list and upstream: "" where there is none
};

// One JSON object with its newline:
//   time, peer, group, name, type, transport (udp, tcp), rcode, how (to_string of
//   QueryRecord::How), reason (of a verdict), list, by_chain (an alias of the name decided),
//   upstream, address (the first of the answer), milliseconds
std::string query_line(const QueryEntry& entry);
std::string rcode_words(std::uint16_t rcode);  // "NXDOMAIN", "RCODE11"

class QueryRecorder {
 public:
  static constexpr std::size_t remembered = 5000;
  static constexpr std::size_t names_counted = 1000;

  explicit QueryRecorder(const dns::Settings& settings);

  void configure(const dns::Settings& settings);
  void tick(Server& server, base::Time now, base::WallTime wall);
  void flush(Server& server, base::Time now, base::WallTime wall);

  // The latest, newest first, until `each` says no.
  void latest(const std::function<bool(const QueryEntry&)>& each) const;
  const TopNames& asked() const noexcept { return asked_; }
  const TopNames& blocked() const noexcept { return blocked_; }
  std::uint64_t told() const noexcept { return told_; }
  RotatingLog::Stats log() const { return log_ ? log_->stats() : RotatingLog::Stats{}; }
  std::string trouble() const { return log_ ? log_->trouble() : std::string(); }

 private:
  struct Label {
    std::string peer, group;
    unsigned worker = 0;
  };

  void open_log();
  void take(Server& server);
  void name_peers(const Server& server);
  QueryEntry entry_of(const Server& server, const dns::QueryRecord& record) const;
  std::string upstream_of(const Server& server, const dns::QueryRecord& record) const;

  dns::QueryLogSettings settings_;
  std::vector<std::string> lists_;  // by their numbers in a record
  std::unique_ptr<RotatingLog> log_;
  std::vector<Label> labels_;  // by slot
  std::deque<QueryEntry> latest_;
  TopNames asked_{names_counted}, blocked_{names_counted};
  std::uint64_t told_ = 0;
};

}  // namespace culvert::control
