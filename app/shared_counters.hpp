// SharedCounters: the counters of all workers and peers in memory that the supervisor maps before
// it forks, so that a worker's death loses none. The supervisor makes it; workers write their own
// parts.
#pragma once

#include <cstddef>
#include <span>

#include "base/counters.hpp"

namespace culvert::app {

class SharedCounters {
 public:
  // Room for `peers` and as many again, at least 1024: peers may be added while the server runs.
  // Pages nobody touches cost nothing. Throws std::system_error.
  SharedCounters(std::size_t workers, std::size_t peers);
  ~SharedCounters();
  SharedCounters(const SharedCounters&) = delete;
  SharedCounters& operator=(const SharedCounters&) = delete;

  base::WorkerCounters& worker(std::size_t index) noexcept;
  base::PeerCounters& peer(std::size_t index) noexcept;
  std::size_t worker_count() const noexcept { return workers_.size(); }
  std::size_t peer_capacity() const noexcept { return peers_.size(); }

 private:
  // Neighbours may have different writers: each has cache lines of its own.
  struct alignas(64) WorkerSlot {
    base::WorkerCounters counters;
  };
  struct alignas(64) PeerSlot {
    base::PeerCounters counters;
  };

  void* memory_ = nullptr;
  std::size_t bytes_ = 0;
  std::span<WorkerSlot> workers_;
  std::span<PeerSlot> peers_;
};

// What is open now is gone with the worker that had it open; sums stay.
void reset_gauges(base::WorkerCounters& counters) noexcept;
void reset_gauges(base::PeerCounters& counters) noexcept;

}  // namespace culvert::app
