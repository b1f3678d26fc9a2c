// WindowGrowth: how large a window one direction of a connection has use for.
//
// A direction that fills its window every round trip gets a larger one: `gain` times what it moves
// in the connection's shortest round trip (its bandwidth-delay product), on top of what everyone
// starts with. So a long line is filled after a few round trips, and a short one, where a deep
// buffer would only add delay for the client's other flows, stays near `comfortable`.
//
// Up, the gain is 2: the client's own congestion control is not to feel the window. Down, where the
// limit also bounds what is in flight, it is 1.5: the line is kept full and its queue is not made
// to overflow, which without selective acknowledgement costs a round trip for each packet lost.
#pragma once

#include <algorithm>
#include <cstddef>

#include "base/time.hpp"

namespace culvert::netstack {

// The shortest round trip seen: the handshake's, then one of bulk data at a time.
class RoundTrip {
 public:
  void measured(base::Duration took) noexcept { shortest_ = std::min(shortest_, took); }
  bool known() const noexcept { return shortest_ != base::Duration::max(); }
  base::Duration shortest() const noexcept { return shortest_; }

 private:
  base::Duration shortest_ = base::Duration::max();
};

class WindowGrowth {
 public:
  static constexpr double gain_up = 2.0, gain_down = 1.5;
  static constexpr std::size_t start = 65535;
  // What use alone earns, whatever the round trip.
  static constexpr std::size_t comfortable = 512 << 10;

  explicit WindowGrowth(double gain) noexcept : gain_(gain) {}

  // `bytes` more have been moved by `now`, under a window of `limit`; returns the limit worth
  // having from now on, never less than `limit` and never more than `most`.
  std::size_t moved(std::size_t bytes, std::size_t limit, std::size_t most, const RoundTrip& trip,
                    base::Time now) noexcept {
    if (moved_ == 0) since_ = now;
    moved_ += bytes;
    std::size_t wanted = limit;
    if (moved_ >= limit) wanted = std::max(limit, std::min(limit * 2, comfortable));
    const base::Duration took = now - since_;
    if (trip.known() && took >= std::max<base::Duration>(trip.shortest(), shortest_interval)) {
      const double share = double(trip.shortest().count()) / double(took.count());
      wanted = std::max(wanted, start + std::size_t(gain_ * double(moved_) * share));
      moved_ = 0;
    } else if (wanted > limit) {
      moved_ = 0;
    }
    return std::max(limit, std::min(wanted, most));
  }

 private:
  // Loop turns are this coarse; a rate over less would be chance.
  static constexpr base::Duration shortest_interval = std::chrono::milliseconds(1);
  double gain_;
  std::size_t moved_ = 0;
  base::Time since_{};
};

}  // namespace culvert::netstack
