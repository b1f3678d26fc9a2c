// What the supervisor wants of a peer or a group now. The structs live in the memory it shares with
// its workers: the supervisor writes, the peer's worker reads them when it moves bytes, so a change
// of a limit needs no message and takes effect at once.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/counters.hpp"

namespace culvert::base {

// Why a client may not use the tunnel now. It keeps its WireGuard session and is told.
enum class Stop : std::uint8_t { none, quota, expired, hours, admission };

// Rates are bits per second of payload (what a TCP stream carries, what a datagram holds); 0 = no
// limit. Bytes of a quota are inner IP packets, up and down together.
struct PeerControls {
  Counter up, down;
  // A value of PeerCounters up_bytes + down_bytes; from there on the client is stopped, or slowed
  // to over_up / over_down if those are set.
  Counter ceiling;  // 0 = none
  Counter over_up, over_down;
  Counter stop;   // Stop, whatever was used
  Counter group;  // its GroupControls: place + 1; 0 = none
  // Of DNS: which schedules of its policy hold now, a bit each; and until when (seconds since the
  // Unix epoch) its names are not filtered.
  Counter dns_schedules, dns_paused_until;
  // For the page that the client is shown. Of the quota that `ceiling` stands for, its own or its
  // group's:
  Counter quota_bytes;
  Counter used_before;  // used in this period up to the moment the counters stood at `counted_at`
  Counter counted_at;
  Counter resets_at;   // seconds since the Unix epoch
  Counter utc_offset;  // seconds, of the configured time zone at resets_at, as std::int64_t
};

// Of all members of a group together, on whatever worker they are.
struct alignas(64) GroupControls {
  Counter up, down;
  Counter ceiling;  // of `used`; 0 = none
  Counter over_up, over_down;
  // Written by all workers. `used`: inner bytes of members. `*_paid_until`: nanoseconds of
  // BootClock to which the shared token bucket has been spent (GCRA's theoretical arrival time,
  // ITU-T I.371).
  std::atomic<std::uint64_t> used{0};
  std::atomic<std::int64_t> up_paid_until{0}, down_paid_until{0};
};

}  // namespace culvert::base
