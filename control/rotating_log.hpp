// RotatingLog: lines in a file that is turned over by size. Writes are gathered; a disk that takes
// nothing costs lines once the memory for them is full, and both are counted.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "base/time.hpp"

namespace culvert::control {

class RotatingLog {
 public:
  struct Settings {
    std::string path;
    std::uint64_t rotate_at = 64 << 20;  // bytes of one file
    std::uint64_t keep = 512 << 20;      // bytes of all its files; the oldest go
  };
  struct Stats {
    std::uint64_t lines = 0, lost = 0, bytes = 0, rotations = 0;  // `bytes`: written
  };
  static constexpr std::size_t max_waiting = 4 << 20;

  // `what` is what people call it: "flow log".
  RotatingLog(std::string what, Settings settings)
      : what_(std::move(what)), settings_(std::move(settings)) {}
  ~RotatingLog();
  RotatingLog(const RotatingLog&) = delete;
  RotatingLog& operator=(const RotatingLog&) = delete;

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

  const std::string what_;
  const Settings settings_;
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
