#include "app/shared_state.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/assert.hpp"

namespace culvert::app {
namespace {

constexpr std::size_t least_room = 65536;

}  // namespace

SharedState::SharedState(std::size_t workers, std::size_t peers) {
  const std::size_t room = std::max<std::size_t>(least_room, peers * 2);
  bytes_ = workers * sizeof(WorkerSlot) + room * sizeof(PeerSlot) +
           group_capacity * sizeof(base::GroupControls);
  memory_ = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory_ == MAP_FAILED)
    throw std::system_error(errno, std::generic_category(), "mapping memory for the counters");

  // Zeroed pages are what new counters, controls and rings hold; constructing them would touch all.
  auto* first_worker = static_cast<WorkerSlot*>(memory_);
  workers_ = {first_worker, workers};
  auto* first_peer = reinterpret_cast<PeerSlot*>(first_worker + workers);
  peers_ = {first_peer, room};
  groups_ = {reinterpret_cast<base::GroupControls*>(first_peer + room), group_capacity};
}

SharedState::~SharedState() {
  ::munmap(memory_, bytes_);
}

base::WorkerCounters& SharedState::worker(std::size_t index) noexcept {
  BASE_ASSERT(index < workers_.size());
  return workers_[index].counters;
}

proxy::FlowRing& SharedState::records(std::size_t worker) noexcept {
  BASE_ASSERT(worker < workers_.size());
  return workers_[worker].records;
}

dns::DnsCounters& SharedState::dns(std::size_t worker) noexcept {
  BASE_ASSERT(worker < workers_.size());
  return workers_[worker].dns;
}

dns::QueryRing& SharedState::queries(std::size_t worker) noexcept {
  BASE_ASSERT(worker < workers_.size());
  return workers_[worker].queries;
}

base::PeerCounters& SharedState::peer(std::size_t slot) noexcept {
  BASE_ASSERT(slot < peers_.size());
  return peers_[slot].counters;
}

base::PeerControls& SharedState::controls(std::size_t slot) noexcept {
  BASE_ASSERT(slot < peers_.size());
  return peers_[slot].controls;
}

void SharedState::clear_peer(std::size_t slot) noexcept {
  BASE_ASSERT(slot < peers_.size());
  new (&peers_[slot]) PeerSlot{};
}

void SharedState::clear_group(std::size_t place) noexcept {
  BASE_ASSERT(place < groups_.size());
  new (&groups_[place]) base::GroupControls{};
}

void reset_gauges(base::WorkerCounters& counters) noexcept {
  for (base::Counter* gauge : {&counters.dialling, &counters.tcp_open, &counters.udp_open,
                               &counters.echo_open, &counters.packets_in_use})
    gauge->set(0);
}

void reset_gauges(dns::DnsCounters& counters) noexcept {
  for (base::Counter* gauge :
       {&counters.in_flight, &counters.cache_entries, &counters.cache_bytes, &counters.tcp_open,
        &counters.table_generation, &counters.table_rules})
    gauge->set(0);
  for (dns::UpstreamCounters& upstream : counters.upstreams) upstream.resting.set(0);
}

void reset_gauges(base::PeerCounters& counters) noexcept {
  counters.tcp_open.set(0);
  counters.udp_open.set(0);
}

}  // namespace culvert::app
