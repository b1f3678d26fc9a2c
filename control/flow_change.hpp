// FlowChange: one record of a flow, with what the flow did since its last one, so that sums over
// records are right however many a long flow has. FlowDeltas makes them of the totals that workers
// tell; the flow log, IPFIX and the top destinations take them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/time.hpp"
#include "proxy/flow_record.hpp"

namespace culvert::control {

struct FlowChange {
  const proxy::FlowRecord& record;  // up and down hold totals there
  proxy::FlowTraffic up, down;      // since the last record
  bool first = true;                // of its flow
  // Of the peer; the JSON forms are quoted and escaped.
  const std::string &peer, &group, &peer_json, &group_json;
};

// Remembers what was told of flows that go on. Bounded: an interim record that finds no room is
// left out, and the flow's last record tells everything.
class FlowDeltas {
 public:
  static constexpr std::size_t max_flows = 262144;

  struct Change {
    proxy::FlowTraffic up, down;
    bool first = true;
  };
  explicit FlowDeltas(std::size_t max = max_flows) : max_(max) {}

  // None if there is nothing to tell now: no room, or an interim record of a flow that rested.
  std::optional<Change> take(const proxy::FlowRecord& record, base::WallTime now);
  // Flows that ended with their worker have no last record.
  void forget_silent(base::WallTime heard_before);
  std::size_t size() const noexcept { return told_.size(); }

 private:
  struct Key {
    std::uint64_t id;
    std::uint32_t peer;
    std::int64_t started;
    base::FlowKey flow;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept;
  };
  struct Told {
    proxy::FlowTraffic up, down;
    base::WallTime heard;
  };

  std::size_t max_;
  std::unordered_map<Key, Told, KeyHash> told_;
};

}  // namespace culvert::control
