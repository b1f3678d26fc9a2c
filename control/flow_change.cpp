#include "control/flow_change.hpp"

namespace culvert::control {
namespace {

using proxy::FlowRecord;
using proxy::FlowTraffic;

FlowTraffic since(const FlowTraffic& now, const FlowTraffic& before) noexcept {
  const auto step = [](std::uint64_t a, std::uint64_t b) { return a >= b ? a - b : a; };
  return {step(now.packets, before.packets), step(now.bytes, before.bytes),
          step(now.payload, before.payload)};
}

bool rested(const FlowDeltas::Change& change) noexcept {
  return change.up.packets + change.down.packets + change.up.payload + change.down.payload == 0;
}

}  // namespace

std::size_t FlowDeltas::KeyHash::operator()(const Key& key) const noexcept {
  return base::FlowKeyHash()(key.flow) ^ std::size_t(key.id * 0x9e3779b97f4a7c15ull) ^
         std::size_t(key.started);
}

std::optional<FlowDeltas::Change> FlowDeltas::take(const FlowRecord& record, base::WallTime now) {
  const Key key{record.id, record.peer, record.started, record.key};
  const auto found = told_.find(key);
  Change change{record.up, record.down, found == told_.end()};
  if (!change.first) {
    change.up = since(record.up, found->second.up);
    change.down = since(record.down, found->second.down);
  }
  if (record.end != FlowRecord::End::interim) {
    if (!change.first) told_.erase(found);
    return change;
  }
  if (!change.first)
    found->second = {record.up, record.down, now};
  else if (told_.size() < max_)
    told_.emplace(key, Told{record.up, record.down, now});
  else
    return {};
  if (rested(change)) return {};
  return change;
}

void FlowDeltas::forget_silent(base::WallTime heard_before) {
  std::erase_if(told_, [&](const auto& entry) { return entry.second.heard < heard_before; });
}

}  // namespace culvert::control
