// What is counted, per peer and per worker. The structs live in memory that the supervisor shares
// with its workers: exactly one worker writes a field, anyone may read it, so a store is relaxed
// and costs what a plain one costs. They outlive a worker's death.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace culvert::base {

// One number with one writer.
class Counter {
 public:
  void add(std::uint64_t n = 1) noexcept { set(get() + n); }
  void sub(std::uint64_t n = 1) noexcept { set(get() - n); }
  void set(std::uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
  std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

// How often something took how long: powers of two from 1 us. One writer.
class Histogram {
 public:
  static constexpr std::size_t buckets = 24;  // the last one holds everything from 2^22 us (4.2 s)
  // Upper bound of a bucket in nanoseconds; the last has none.
  static constexpr std::uint64_t bound(std::size_t bucket) noexcept { return 1000ull << bucket; }

  void add(std::uint64_t nanoseconds) noexcept {
    const auto above = std::bit_width(nanoseconds / 1001);  // 0 up to 1 us
    counts_[std::min<std::size_t>(std::size_t(above), buckets - 1)].add();
    sum_.add(nanoseconds);
  }
  std::uint64_t count(std::size_t bucket) const noexcept { return counts_[bucket].get(); }
  std::uint64_t sum() const noexcept { return sum_.get(); }  // nanoseconds

 private:
  std::array<Counter, buckets> counts_{};
  Counter sum_;
};

// Why something was dropped or refused. The module at whose entry it happens counts it.
#define CULVERT_DROPS(X)                                                                           \
  /* wg: outer datagrams */                                                                        \
  X(bad_type)                                                                                      \
  X(bad_length)                                                                                    \
  X(bad_mac1)                                                                                      \
  X(under_load) X(handshake_rate) X(unknown_peer) X(bad_handshake) X(old_timestamp) X(bad_cookie)  \
      X(unknown_index) X(key_expired) X(bad_tag) X(replayed) X(source_not_allowed)                 \
          X(misrouted) /* wg: inner packets on their way out */                                    \
      X(no_peer) X(staged_overflow) X(outbox_full) X(no_endpoint)                                  \
          X(send_refused) /* netstack: inner packets on their way in */                            \
      X(malformed) X(bad_checksum) X(bad_address) X(ttl_expired) X(unsupported)                    \
          X(fragment_refused) X(fragment_timeout) X(no_buffer) X(no_flow) X(icmp_rate) /* proxy */ \
      X(egress_denied) X(unknown_client) X(flow_cap) X(dial_cap) X(flow_rate) X(dial_failed)       \
          X(echo_rate) X(echo_unavailable) X(udp_filtered) X(host_refused) X(over_allowance)       \
              X(client_stopped) X(record_lost) X(dns_bypass) X(not_handed_out)

enum class Drop : std::uint8_t {
#define CULVERT_DROP_VALUE(name) name,
  CULVERT_DROPS(CULVERT_DROP_VALUE)
#undef CULVERT_DROP_VALUE
      count_
};

std::string_view to_string(Drop drop) noexcept;

class DropCounters {
 public:
  void add(Drop drop, std::uint64_t n = 1) noexcept { counters_[std::size_t(drop)].add(n); }
  std::uint64_t get(Drop drop) const noexcept { return counters_[std::size_t(drop)].get(); }
  std::uint64_t total() const noexcept;

 private:
  std::array<Counter, std::size_t(Drop::count_)> counters_{};
};

// Per peer; up = client to origin.
struct PeerCounters {
  // The outer side, as WireGuard counts it: whole UDP payloads, handshakes and keepalives included.
  Counter rx_bytes, tx_bytes;
  Counter last_handshake;  // nanoseconds since the Unix epoch; 0 = none yet
  Counter handshakes;
  // Inner IP packets, after the replay check and without padding.
  Counter up_packets, up_bytes, down_packets, down_bytes;
  // Flows opened, and open now.
  Counter tcp_flows, udp_flows, echo_flows;
  Counter tcp_open, udp_open;
  // Payload: what the origin's sockets took of the client and gave for it, each byte once.
  Counter tcp_up, tcp_down, udp_up, udp_down;
  // Questions to port 53, and those that its policy answered otherwise than the upstream would.
  Counter dns_queries, dns_blocked;
  // What was refused to this client or dropped of its packets by egress policy, a limit, a rate or
  // a quota, by reason; `denied` is their sum.
  Counter denied;
  DropCounters denials;
};

// Per worker.
struct WorkerCounters {
  DropCounters drops;
  Counter datagrams_in, datagrams_out;  // outer
  Counter receive_calls, send_calls;    // what batching made of them
  Counter dials, dials_failed, dialling, tcp_open, udp_open, echo_open;
  Counter handshakes_under_load;
  Counter packets_in_use;
  // The most there may be of each; a flow and a dial hold one of `descriptors_max`.
  Counter tcp_max, udp_max, dials_max, descriptors_max, packets_max;
  Counter starts;     // how often this worker was started
  Counter last_turn;  // nanoseconds of BootClock; also an idle worker turns every 2 s
  Histogram turns;    // how long a turn of the loop took, without its wait
};

}  // namespace culvert::base
