// RateBucket: a token bucket of bytes whose rate may change at any moment. Nothing is rounded away:
// what time has earned short of a whole byte is carried on, so a day is as exact as a second. It
// may be overdrawn.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/time.hpp"

namespace culvert::proxy {

class RateBucket {
 public:
  // Bytes that `rate` (bits per second) moves in `time`, at least `least`.
  static std::int64_t bytes_in(base::Duration time, std::uint64_t rate,
                               std::int64_t least = 0) noexcept {
    const auto bits = (unsigned __int128)std::uint64_t(time.count()) * rate;
    return std::max(least, std::int64_t(std::min<unsigned __int128>(bits / unit, most)));
  }
  // How long `rate` takes for `bytes`, rounded up.
  static base::Duration time_for(std::int64_t bytes, std::uint64_t rate) noexcept {
    const auto bits = (unsigned __int128)std::uint64_t(bytes) * unit;
    return base::Duration(
        std::int64_t(std::min<unsigned __int128>((bits + rate - 1) / rate, most)));
  }

  // Saves up what the rate moves in `burst`, or `least` bytes if that is more.
  constexpr RateBucket(base::Duration burst, std::int64_t least) noexcept
      : burst_(burst), least_(least) {}

  // Earns what came since the last call, at the rate of that call, and takes over `rate` (> 0).
  // Starts full.
  void refill(std::uint64_t rate, base::Time now) noexcept {
    if (now > last_ && rate_ != 0) earn(now);
    if (rate != rate_) change(rate, now);
    if (tokens_ >= depth_) tokens_ = depth_, carry_ = 0;
  }

  std::int64_t tokens() const noexcept { return tokens_; }
  std::int64_t depth() const noexcept { return depth_; }
  void take(std::size_t bytes) noexcept { tokens_ -= std::int64_t(bytes); }

  // When `tokens` will be there, after refill().
  base::Time ready_at(std::int64_t tokens) const noexcept {
    if (tokens_ >= tokens || rate_ == 0) return last_;
    const auto missing = (unsigned __int128)std::uint64_t(tokens - tokens_) * unit - carry_;
    const auto wait = (missing + rate_ - 1) / rate_;
    return last_ + base::Duration(std::int64_t(std::min<unsigned __int128>(wait, most)));
  }

 private:
  static constexpr std::uint64_t unit = 8'000'000'000;  // bit-nanoseconds to a byte
  static constexpr std::uint64_t most = std::uint64_t(1) << 53;

  void earn(base::Time now) noexcept {
    const auto elapsed = std::uint64_t((now - last_).count());
    const auto earned = (unsigned __int128)elapsed * rate_ + carry_;
    last_ = now;
    carry_ = std::uint64_t(earned % unit);
    tokens_ += std::int64_t(std::min<unsigned __int128>(earned / unit, most));
  }
  // A debt is a time to wait: a slower rate must not make it longer.
  void change(std::uint64_t rate, base::Time now) noexcept {
    depth_ = bytes_in(burst_, rate, least_);
    if (rate_ == 0)
      tokens_ = depth_, last_ = now;
    else if (tokens_ < 0)
      tokens_ = std::int64_t(__int128(tokens_) * __int128(rate) / __int128(rate_));
    carry_ = 0;
    rate_ = rate;
  }

  base::Duration burst_;
  std::int64_t least_;
  std::uint64_t rate_ = 0;
  std::int64_t depth_ = 0;
  std::int64_t tokens_ = 0;
  std::uint64_t carry_ = 0;  // bit-nanoseconds, less than `unit`
  base::Time last_{};
};

}  // namespace culvert::proxy
