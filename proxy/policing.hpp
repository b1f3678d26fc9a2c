// How deep the buckets of a limit are, and how datagrams are policed by one.
#pragma once

#include "proxy/rate_bucket.hpp"

namespace culvert::proxy {

// What streams may save up. A loop turn may come late by as much and the rate still holds.
inline constexpr base::Duration stream_burst = std::chrono::milliseconds(40);
inline constexpr base::Duration datagram_burst = std::chrono::milliseconds(100);
// The stream payload of a full segment, and what a datagram of usual size holds at most.
inline constexpr std::int64_t full_segment = 1360, full_datagram = 1500;

struct StreamBucket : RateBucket {
  StreamBucket() noexcept : RateBucket(stream_burst, 2 * full_segment) {}
};
struct DatagramBucket : RateBucket {
  DatagramBucket() noexcept : RateBucket(datagram_burst, full_datagram) {}
};

// Datagrams have all of a rate until streams wait for it; then they leave them half.
inline std::uint64_t datagram_rate(std::uint64_t rate, bool streams_wait) noexcept {
  return streams_wait ? (rate + 1) / 2 : rate;
}

// May a datagram pass a bucket of `rate`? The caller takes it then. A bucket that is full lets pass
// what is larger than itself, and owes it.
inline bool may_pass(DatagramBucket& bucket, std::int64_t bytes, std::uint64_t rate,
                     base::Time now) noexcept {
  bucket.refill(rate, now);
  return bucket.tokens() >= std::min(bytes, bucket.depth());
}

}  // namespace culvert::proxy
