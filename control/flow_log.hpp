// FlowLog: flow records as JSON lines in a file that is turned over by size. Writes are gathered;
// a disk that takes nothing costs lines once the memory for them is full, and both are counted.
//
// One line:
//   time      when it was written down, RFC 3339, UTC
//   start, end, duration    first and last packet of the flow so far; seconds
//   peer, group, protocol (tcp, udp, icmp), client, client_port, origin, origin_port
//   forward   true if it was opened from outside, by a port forward
//   up_packets, up_bytes, up_payload, down_packets, down_bytes, down_payload
//             since the flow's last line: the sum over lines is the flow's total
//   reason    interim (it goes on), finished, idle, forced, lack
//   first     true in the first line of a flow: their number is the number of flows
//   id        the same in all lines of a flow, while one server runs
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "base/time.hpp"
#include "control/flow_change.hpp"
#include "control/settings.hpp"

namespace culvert::control {

std::string flow_line(const FlowChange& change, base::WallTime when);  // with its newline

class FlowLog {
 public:
  struct Stats {
    std::uint64_t lines = 0, lost = 0, bytes = 0, rotations = 0;  // `bytes`: written
  };
  static constexpr std::size_t max_waiting = 4 << 20;

  explicit FlowLog(FlowLogSettings settings) : settings_(std::move(settings)) {}
  ~FlowLog();
  FlowLog(const FlowLog&) = delete;
  FlowLog& operator=(const FlowLog&) = delete;

  void add(std::string_view line);
  // Writes what was gathered, once a second or when there is much. A turned file is called
  // PATH.20261231T235959.999Z; what exceeds `keep` goes, the oldest first.
  void tick(base::Time now, base::WallTime wall);
  void flush(base::Time now, base::WallTime wall);

  const Stats& stats() const noexcept { return stats_; }
  std::size_t waiting() const noexcept { return buffer_.size() - begin_; }
  const std::string& trouble() const noexcept { return trouble_; }  // empty = the disk takes it

 private:
  struct Old {
    std::string path;
    std::uint64_t size;
  };

  bool ready(base::Time now);
  bool open();
  void list_old();
  bool moved_away() const;
  void close() noexcept;
  std::size_t next_chunk() const;
  bool write_some(std::size_t size);
  bool rotate(base::WallTime wall);
  void prune();
  void failed(const std::string& what, int error);
  void consume(std::size_t size);

  FlowLogSettings settings_;
  std::string buffer_;
  std::size_t begin_ = 0;  // of what is not written yet
  int fd_ = -1;
  std::uint64_t size_ = 0;
  bool in_line_ = false;  // the file ends within a line
  bool listed_ = false;
  std::deque<Old> old_;  // oldest first
  base::Time next_{}, retry_{}, check_{};
  Stats stats_;
  std::string trouble_;
};

}  // namespace culvert::control
