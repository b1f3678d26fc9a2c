// What a client or a group may move in a second, as the supervisor wants it now: read where bytes
// move, so that a change holds at once. Bits of payload; 0 = no limit.
#pragma once

#include <cstdint>

#include "base/controls.hpp"
#include "base/counters.hpp"

namespace culvert::proxy {

enum class Direction : std::uint8_t { up, down };

// The smaller limit of the two; 0 is none.
inline std::uint64_t stricter(std::uint64_t a, std::uint64_t b) noexcept {
  return a == 0 ? b : b == 0 ? a : a < b ? a : b;
}

namespace detail {

// PeerControls and GroupControls name them alike.
template <class Controls>
std::uint64_t rate_of(const Controls& controls, std::uint64_t used, Direction direction) noexcept {
  const bool up = direction == Direction::up;
  const std::uint64_t rate = (up ? controls.up : controls.down).get();
  const std::uint64_t ceiling = controls.ceiling.get();
  if (ceiling == 0 || used < ceiling) return rate;
  return stricter(rate, (up ? controls.over_up : controls.over_down).get());
}

}  // namespace detail

inline std::uint64_t rate_of(const base::PeerControls& controls, const base::PeerCounters& counters,
                             Direction direction) noexcept {
  return detail::rate_of(controls, counters.up_bytes.get() + counters.down_bytes.get(), direction);
}

inline std::uint64_t rate_of(const base::GroupControls& controls, Direction direction) noexcept {
  return detail::rate_of(controls, controls.used.load(std::memory_order_relaxed), direction);
}

}  // namespace culvert::proxy
