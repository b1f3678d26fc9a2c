#include "proxy/flow_reporter.hpp"

#include "proxy/flow_table.hpp"

namespace culvert::proxy {
namespace {

// The clocks drift apart by less in a minute; what a flow says of its start should not tremble.
constexpr base::Duration tolerated_drift = std::chrono::milliseconds(100);

// Ids go on where an earlier worker's may have ended: a flow takes far longer than 1/2^22 of a
// second. They stay below 2^53, which every JSON reader keeps whole.
std::uint64_t first_id(base::WallTime now) noexcept {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
  return (std::uint64_t(seconds.count()) << 22 & ((1ull << 53) - 1)) + 1;
}

}  // namespace

FlowReporter::FlowReporter(const Proxy::Config& config, base::WorkerCounters& counters) noexcept
    : ring_(config.records),
      active_timeout_(config.active_timeout),
      wall_clock_(config.wall_clock),
      counters_(counters),
      next_id_(wall_clock_ ? first_id(wall_clock_()) : 1) {}

FlowSpan FlowReporter::begin(base::Time now) noexcept {
  return {next_id_++, now, now, {}};
}

std::int64_t FlowReporter::wall(base::Time at, base::Time now) noexcept {
  if (wall_clock_) {
    const base::Duration offset =
        wall_clock_().time_since_epoch() - base::Duration(now.time_since_epoch());
    const base::Duration drift = offset - wall_offset_;
    if (drift > tolerated_drift || drift < -tolerated_drift) wall_offset_ = offset;
  }
  return (base::Duration(at.time_since_epoch()) + wall_offset_).count();
}

FlowRecord FlowReporter::describe(const ClientState& client, const base::FlowKey& key,
                                  const FlowSpan& span, base::Time last, base::Time now) noexcept {
  FlowRecord record;
  record.id = span.id;
  record.peer = client.config.slot;
  record.key = key;
  record.set_domain(span.domain);
  record.started = wall(span.started, now);
  record.last = wall(std::max(last, span.started), now);
  return record;
}

FlowRecord FlowReporter::describe(const ClientState& client, const base::FlowKey& key,
                                  const FlowTally& tally, base::Time now) noexcept {
  FlowRecord record = describe(client, key, tally.span, tally.last, now);
  record.up = tally.up, record.down = tally.down;
  return record;
}

void FlowReporter::push(const FlowRecord& record) noexcept {
  if (ring_ && !ring_->push(record)) counters_.drops.add(base::Drop::record_lost);
}

bool FlowReporter::take_interim(FlowSpan& span, base::Time last, base::Time now) const noexcept {
  if (!ring_ || now < span.reported + active_timeout_) return false;
  const bool had_traffic = last > span.reported || span.reported == span.started;
  span.reported = now;
  return had_traffic;
}

base::Time FlowReporter::next_interim(const FlowSpan& span) const noexcept {
  return ring_ ? span.reported + active_timeout_ : base::never;
}

}  // namespace culvert::proxy
