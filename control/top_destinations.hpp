// TopDestinations: where each client's bytes went, in bounded memory: Space-Saving (Metwally,
// Agrawal, El Abbadi 2005) per client. Every destination with more than total/N of a client's bytes
// is among its N counters, and a counter is too high by at most its `error`.
//
// The FlowRecorder feeds it, the ledger reads it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/ip.hpp"
#include "proxy/flow_record.hpp"

namespace culvert::control {

struct Destination {
  base::IpAddress address;
  std::uint64_t weight = 0;  // bytes both ways, of which `error` may be others'
  std::uint64_t error = 0;
  std::uint64_t up = 0, down = 0, flows = 0;  // since it got its counter: never too high
};

class TopDestinations {
 public:
  explicit TopDestinations(std::size_t counters) : counters_(counters) {}

  // Inner bytes of one flow record; `flows` 1 with the first of a flow, else 0.
  void add(std::uint32_t slot, const base::IpAddress& origin, std::uint64_t up, std::uint64_t down,
           std::uint64_t flows);

  // Most bytes first.
  std::vector<Destination> snapshot(std::uint32_t slot) const;
  // Hands over what each client gathered since the last drain, most bytes first, and begins anew.
  void drain(const std::function<void(std::uint32_t slot, std::span<const Destination>)>& each);
  void forget(std::uint32_t slot) { clients_.erase(slot); }

 private:
  std::size_t counters_;
  std::unordered_map<std::uint32_t, std::vector<Destination>> clients_;
};

}  // namespace culvert::control
