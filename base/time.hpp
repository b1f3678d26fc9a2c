// Time as every part of culvert sees it: a parameter, never read inside a protocol.
//
// BootClock is CLOCK_BOOTTIME: monotonic, and it goes on while the machine sleeps, as the WireGuard
// key lifetimes demand. Only a worker's loop (and a benchmark) calls BootClock::now().
#pragma once

#include <time.h>

#include <chrono>
#include <cstdint>

namespace culvert::base {

struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;

  static time_point now() noexcept {
    timespec ts{};
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return time_point(std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec));
  }
};

using Duration = BootClock::duration;
using Time = BootClock::time_point;

// A deadline that never comes.
inline constexpr Time never = Time::max();

// Nanoseconds since the Unix epoch; for TAI64N stamps and for people, never for a timer.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

}  // namespace culvert::base
