// FlowReporter: makes the records of flows and hands them to the supervisor's ring. A worker has
// one. Flows keep what a record says of them; the reporter knows ids, the wall clock and when an
// interim record is due.
#pragma once

#include "base/counters.hpp"
#include "base/time.hpp"
#include "proxy/proxy.hpp"

namespace culvert::proxy {

struct ClientState;

// What every flow remembers for its records.
struct FlowSpan {
  std::uint64_t id = 0;
  base::Time started{};   // its first packet
  base::Time reported{};  // the last record, or the start
  std::string domain;     // as in FlowRecord, whole
};

// What datagrams of one flow have carried. TCP counts where its packets are, in netstack.
struct FlowTally {
  FlowSpan span;
  base::Time last{};
  FlowTraffic up, down;

  // `way` is up or down.
  void count(FlowTraffic& way, netstack::Packets packets, base::Time now) noexcept {
    way.packets += packets.count, way.bytes += packets.bytes;
    last = now;
  }
};

class FlowReporter {
 public:
  FlowReporter(const Proxy::Config& config, base::WorkerCounters& counters) noexcept;

  FlowSpan begin(base::Time now) noexcept;
  // A record without its traffic; `last` is the time of the last packet.
  FlowRecord describe(const ClientState& client, const base::FlowKey& key, const FlowSpan& span,
                      base::Time last, base::Time now) noexcept;
  FlowRecord describe(const ClientState& client, const base::FlowKey& key, const FlowTally& tally,
                      base::Time now) noexcept;
  // A full ring is counted.
  void push(const FlowRecord& record) noexcept;
  bool wanted() const noexcept { return ring_ != nullptr; }
  // True if an interim record is due now; then it counts as made.
  bool take_interim(FlowSpan& span, base::Time last, base::Time now) const noexcept;
  // When to ask again; of a flow that begins now, when to ask first.
  base::Time next_interim(const FlowSpan& span) const noexcept;
  base::Time first_interim(base::Time now) const noexcept {
    return ring_ ? now + active_timeout_ : base::never;
  }

 private:
  std::int64_t wall(base::Time at, base::Time now) noexcept;

  FlowRing* ring_;
  base::Duration active_timeout_;
  std::function<base::WallTime()> wall_clock_;
  base::WorkerCounters& counters_;
  std::uint64_t next_id_;
  base::Duration wall_offset_{};  // what the wall clock is ahead of the boot clock
};

}  // namespace culvert::proxy
