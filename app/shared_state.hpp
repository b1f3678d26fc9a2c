// SharedState: memory that the supervisor maps before it forks, so that a worker's death loses
// nothing in it: the counters that workers write, the controls that the supervisor writes, and the
// rings of flow records and of DNS questions from each worker.
#pragma once

#include <cstddef>
#include <span>

#include "base/controls.hpp"
#include "base/counters.hpp"
#include "dns/counters.hpp"
#include "dns/query_record.hpp"
#include "proxy/flow_record.hpp"

namespace culvert::app {

class SharedState {
 public:
  // Room for `peers` and as many again, at least 65,536: peers may be added while the server runs.
  // Pages nobody touches cost nothing. Throws std::system_error.
  SharedState(std::size_t workers, std::size_t peers);
  ~SharedState();
  SharedState(const SharedState&) = delete;
  SharedState& operator=(const SharedState&) = delete;

  base::WorkerCounters& worker(std::size_t index) noexcept;
  proxy::FlowRing& records(std::size_t worker) noexcept;
  dns::DnsCounters& dns(std::size_t worker) noexcept;
  dns::QueryRing& queries(std::size_t worker) noexcept;
  base::PeerCounters& peer(std::size_t slot) noexcept;
  base::PeerControls& controls(std::size_t slot) noexcept;
  std::span<base::GroupControls> groups() noexcept {
    return groups_;
  }  // by PeerControls::group - 1
  // For its next user; nobody else writes there now.
  void clear_peer(std::size_t slot) noexcept;
  void clear_group(std::size_t place) noexcept;
  std::size_t worker_count() const noexcept { return workers_.size(); }
  std::size_t peer_capacity() const noexcept { return peers_.size(); }
  static constexpr std::size_t group_capacity = 1024;

 private:
  // Neighbours may have different writers: each has cache lines of its own.
  struct alignas(64) WorkerSlot {
    base::WorkerCounters counters;
    alignas(64) proxy::FlowRing records;
    alignas(64) dns::DnsCounters dns;
    alignas(64) dns::QueryRing queries;
  };
  struct alignas(64) PeerSlot {
    base::PeerCounters counters;
    alignas(64) base::PeerControls controls;
  };

  void* memory_ = nullptr;
  std::size_t bytes_ = 0;
  std::span<WorkerSlot> workers_;
  std::span<PeerSlot> peers_;
  std::span<base::GroupControls> groups_;
};

// What is open now is gone with the worker that had it open; sums stay.
void reset_gauges(base::WorkerCounters& counters) noexcept;
void reset_gauges(base::PeerCounters& counters) noexcept;
void reset_gauges(dns::DnsCounters& counters) noexcept;

}  // namespace culvert::app
