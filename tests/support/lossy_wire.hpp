// A network for tests, without sockets and without waiting: datagrams in flight ordered by a
// virtual clock, with loss, duplication, delay and reordering drawn from a seeded generator. The
// same seed and the same traffic give the same history.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "base/ip.hpp"
#include "base/random.hpp"
#include "base/time.hpp"

namespace culvert::test {

// SplitMix64: predictable on purpose.
class SeededRandom final : public base::Random {
 public:
  explicit SeededRandom(std::uint64_t seed = 1) noexcept : state_(seed) {}
  void fill(base::MutableBytes out) noexcept override {
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (i % 8 == 0) word_ = next();
      out[i] = std::byte(word_ >> (8 * (i % 8)) & 0xff);
    }
  }
  // True `parts` times in a million.
  bool chance(std::uint32_t parts) noexcept { return next() % 1'000'000 < parts; }
  std::uint64_t next() noexcept {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
  std::uint64_t word_ = 0;
};

struct Flight {
  base::Endpoint from, to;
  std::vector<std::byte> bytes;
};

class LossyWire {
 public:
  // Probabilities in parts of a million.
  struct Faults {
    std::uint32_t loss = 0, duplicate = 0, reorder = 0;
    base::Duration delay = std::chrono::milliseconds(10);
    base::Duration jitter{};                                    // added to each, uniform
    base::Duration reorder_by = std::chrono::milliseconds(50);  // added to reordered ones
  };

  explicit LossyWire(std::uint64_t seed = 1) : random_(seed) {}

  Faults faults;
  // For surgery: decides the copies of a datagram by their delays (none = lost) instead of
  // `faults`.
  std::function<std::vector<base::Duration>(const Flight&)> surgeon;
  // Sees everything that is sent, before anything happens to it.
  std::function<void(const Flight&)> tap;

  void send(Flight flight, base::Time now) {
    if (tap) tap(flight);
    for (const base::Duration delay : surgeon ? surgeon(flight) : draw())
      in_flight_.emplace(now + delay, flight);
  }
  base::Time next() const { return in_flight_.empty() ? base::never : in_flight_.begin()->first; }
  Flight take() { return std::move(in_flight_.extract(in_flight_.begin()).mapped()); }
  bool empty() const { return in_flight_.empty(); }
  void clear() { in_flight_.clear(); }

 private:
  std::vector<base::Duration> draw() {
    std::vector<base::Duration> copies;
    if (!random_.chance(faults.loss)) copies.push_back(draw_delay());
    if (random_.chance(faults.duplicate)) copies.push_back(draw_delay());
    return copies;
  }
  base::Duration draw_delay() {
    base::Duration delay = faults.delay;
    if (faults.jitter.count() > 0)
      delay += base::Duration(std::int64_t(random_.next() % std::uint64_t(faults.jitter.count())));
    if (random_.chance(faults.reorder)) delay += faults.reorder_by;
    return delay;
  }

  SeededRandom random_;
  std::multimap<base::Time, Flight> in_flight_;  // equal times keep their order
};

}  // namespace culvert::test
