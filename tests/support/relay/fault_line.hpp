// FaultLine: one direction of a bad network, without sockets or clocks. Datagrams enter at a time
// and leave at another, damaged, late, twice or never.
//
// In this order: classify and drop by WireGuard type, blackout, loss, corruption, duplication, rate
// limit, delay, reorder, MTU hole. Every decision costs exactly one draw of a seeded generator and
// is mixed into a hash, so that the same seed and the same input give the same hash. Decisions of
// time (a full queue) are not drawn and not in the hash.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <vector>

namespace culvert::relay {

using Time = std::chrono::nanoseconds;

struct Datagram {
  std::uint32_t session = 0;
  std::vector<std::uint8_t> bytes;
};

enum class DelayKind { constant, uniform, normal };

struct Faults {
  double loss = 0;            // Bernoulli
  double ge_p = 0, ge_r = 0;  // Gilbert-Elliott: good to bad, bad to good
  double ge_k = 0, ge_h = 1;  // loss in the good state, in the bad state
  double corrupt = 0;         // a flipped bit, a cut, an added tail or another type
  double duplicate = 0;
  double duplicate_spacing_ms = 0;
  double delay_ms = 0, jitter_ms = 0;  // uniform: delay +- jitter; normal: jitter = sigma
  DelayKind delay_kind = DelayKind::constant;
  bool keep_order = true;           // jitter never lets one overtake another
  double reorder = 0;               // this share is held back ...
  std::uint32_t reorder_gap = 3;    // ... until so many have passed, or 100 ms
  double rate_mbit = 0;             // 0 = no limit
  double queue_bytes = 256 * 1024;  // of the rate limit; the tail is dropped
  std::uint32_t mtu = 0;            // larger datagrams vanish
  bool blackout = false;
  std::vector<std::uint8_t> drop_types;              // WireGuard message types that vanish
  std::map<std::uint8_t, std::uint32_t> drop_first;  // of a type, the next so many vanish
};

struct Counters {
  std::uint64_t received = 0, sent = 0, bytes_received = 0, bytes_sent = 0;
  std::uint64_t lost = 0, corrupted = 0, duplicated = 0, reordered = 0, queue_dropped = 0;
  std::uint64_t mtu_dropped = 0, blackout_dropped = 0, type_dropped = 0, expired = 0;
  std::map<std::uint8_t, std::uint64_t> types;  // of the received
};

class FaultLine {
 public:
  explicit FaultLine(std::uint64_t seed) : random_(seed) {}

  void enter(Datagram datagram, Time now);
  // Appends to `out` everything that is due.
  void leave(Time now, std::vector<Datagram>& out);
  // When leave() has something next; none while nothing is on the way.
  std::optional<Time> next() const;

  Faults faults;
  Counters counters;
  std::uint64_t decisions() const { return hash_; }

 private:
  struct Later {
    Time due;
    std::uint64_t order;
    bool hold_back;  // decided on entry: the order of draws must not depend on the clock
    Datagram datagram;
    bool operator<(const Later& other) const {  // the queue gives the greatest first
      return due != other.due ? due > other.due : order > other.order;
    }
  };
  struct Held {
    Time deadline;
    std::uint32_t to_pass;
    Datagram datagram;
  };

  double draw(std::uint8_t decision);
  bool happens(std::uint8_t decision, double probability);
  bool dropped_by_kind(const Datagram& datagram);
  bool lost();
  void corrupt(std::vector<std::uint8_t>& bytes);
  void travel(Datagram datagram, Time now);
  std::optional<Time> queue(std::size_t size, Time now);
  Time delay();
  void emit(Later&& one, Time now);
  void pass(Datagram&& datagram);

  std::mt19937_64 random_;
  std::uint64_t hash_ = 0xcbf29ce484222325;
  bool bad_state_ = false;
  Time free_at_{0};  // when the rate-limited line has sent all it took
  Time last_due_{0};
  std::uint64_t order_ = 0;
  std::priority_queue<Later> waiting_;
  std::vector<Held> held_;
  std::deque<Datagram> ready_;
};

// The message type, or 0 for what is too short to have one.
inline std::uint8_t wireguard_type(const std::vector<std::uint8_t>& bytes) {
  return bytes.size() < 4 ? std::uint8_t{0} : bytes[0];
}

}  // namespace culvert::relay
