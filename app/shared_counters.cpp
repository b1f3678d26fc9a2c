#include "app/shared_counters.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

#include "base/assert.hpp"

namespace culvert::app {

SharedCounters::SharedCounters(std::size_t workers, std::size_t peers) {
  const std::size_t room = std::max<std::size_t>(1024, peers * 2);
  bytes_ = workers * sizeof(WorkerSlot) + room * sizeof(PeerSlot);
  memory_ = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory_ == MAP_FAILED)
    throw std::system_error(errno, std::generic_category(), "mapping memory for the counters");

  // Zeroed pages are what a new Counter holds; constructing the peers' would touch all of them.
  auto* first_worker = static_cast<WorkerSlot*>(memory_);
  std::uninitialized_default_construct_n(first_worker, workers);
  workers_ = {first_worker, workers};
  peers_ = {reinterpret_cast<PeerSlot*>(first_worker + workers), room};
}

SharedCounters::~SharedCounters() {
  ::munmap(memory_, bytes_);
}

base::WorkerCounters& SharedCounters::worker(std::size_t index) noexcept {
  BASE_ASSERT(index < workers_.size());
  return workers_[index].counters;
}

base::PeerCounters& SharedCounters::peer(std::size_t index) noexcept {
  BASE_ASSERT(index < peers_.size());
  return peers_[index].counters;
}

void reset_gauges(base::WorkerCounters& counters) noexcept {
  for (base::Counter* gauge :
       {&counters.tcp_open, &counters.udp_open, &counters.echo_open, &counters.packets_in_use})
    gauge->set(0);
}

void reset_gauges(base::PeerCounters& counters) noexcept {
  counters.tcp_open.set(0);
  counters.udp_open.set(0);
}

}  // namespace culvert::app
