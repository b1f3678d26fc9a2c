// A token bucket that never drifts: whole nanoseconds of credit are carried from call to call.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.hpp"

namespace culvert::base {

class TokenBucket {
 public:
  // `rate` tokens per second (> 0), at most `burst` saved up; starts full.
  TokenBucket(std::uint64_t rate, std::uint64_t burst, Time now) noexcept
      : rate_(rate), burst_(burst), tokens_(burst), last_(now) {}

  // Takes `n` if they are there.
  bool try_take(std::uint64_t n, Time now) noexcept {
    refill(now);
    if (tokens_ < n) return false;
    tokens_ -= n;
    return true;
  }
  std::uint64_t available(Time now) noexcept { return refill(now), tokens_; }

 private:
  void refill(Time now) noexcept {
    if (now <= last_) return;
    const auto elapsed = std::uint64_t((now - last_).count());
    // After `burst / rate` seconds the bucket is full whatever happened before.
    const unsigned __int128 earned = (unsigned __int128)elapsed * rate_ / 1'000'000'000u;
    if (earned >= burst_ - tokens_) {
      tokens_ = burst_;
      last_ = now;
      return;
    }
    tokens_ += std::uint64_t(earned);
    last_ += Duration(std::int64_t(earned * 1'000'000'000u / rate_));
  }

  std::uint64_t rate_;
  std::uint64_t burst_;
  std::uint64_t tokens_;
  Time last_;
};

}  // namespace culvert::base
