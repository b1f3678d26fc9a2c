// A Shaper in virtual time: streams that always have bytes, moved by nobody but the test.
#pragma once

#include <deque>
#include <vector>

#include "proxy/shaper.hpp"

namespace culvert::test {

using proxy::Direction;
using proxy::Lane;
using proxy::Moved;
using proxy::Shaper;

constexpr base::Duration ms(std::int64_t n) {
  return std::chrono::milliseconds(n);
}

// A stream with `waiting` bytes to move; unless told otherwise, more than ever will be moved.
class Stream final : public proxy::Mover {
 public:
  explicit Stream(const base::Time& now) : now_(now), last_(now) {}
  Moved move(std::size_t most) noexcept override {
    const std::size_t n = std::min(most, waiting);
    waiting -= n, moved += n, ++turns;
    longest_gap = std::max(longest_gap, now_ - last_);
    last_ = now_;
    return {n, n == most};
  }
  std::size_t waiting = std::size_t(1) << 60;
  std::size_t moved = 0, turns = 0;
  base::Duration longest_gap{};

 private:
  const base::Time& now_;
  base::Time last_;
};

// One client with its streams.
struct LimitedClient {
  explicit LimitedClient(const base::Time& now, std::size_t streams = 1,
                         Direction direction = Direction::down)
      : lane(&controls, counters, direction) {
    for (std::size_t i = 0; i < streams; ++i) flows.emplace_back(now);
  }
  std::size_t moved() const {
    std::size_t sum = 0;
    for (const Stream& flow : flows) sum += flow.moved;
    return sum;
  }
  base::PeerControls controls;
  base::PeerCounters counters;
  Lane lane;
  std::deque<Stream> flows;
};

// One worker.
struct Worker {
  explicit Worker(const base::Time& time, std::span<base::GroupControls> groups = {})
      : now(time), shaper(groups) {}
  void join(LimitedClient& client) {
    for (Stream& flow : client.flows) shaper.join(Shaper::Ring::down, client.lane, flow);
  }
  const base::Time& now;
  Shaper shaper;
};

inline base::Time due_of(const Worker& worker, base::Time now, base::Duration lateness) {
  const base::Time due = worker.shaper.next_deadline();
  return due == base::never ? due : std::max(now, due) + lateness;
}

// Lets `time` pass for all workers: each is called when one asked for it, `lateness` later. What
// was left over is due in the next turn of the loop.
inline std::size_t run(base::Time& now, std::vector<Worker*> workers, base::Duration time,
                       base::Duration lateness = {}) {
  const base::Time end = now + time;
  std::size_t calls = 0;
  while (true) {
    base::Time next = base::never;
    for (Worker* worker : workers) {
      worker->shaper.serve(Shaper::Ring::down, now), ++calls;
      const bool more = worker->shaper.is_backlogged();
      next = std::min(next,
                      more ? now + std::chrono::microseconds(100) : due_of(*worker, now, lateness));
    }
    if (next > end) break;
    now = next;
  }
  now = std::max(now, end);
  return calls;
}

inline std::size_t run(base::Time& now, Worker& worker, base::Duration time,
                       base::Duration lateness = {}) {
  return run(now, std::vector<Worker*>{&worker}, time, lateness);
}

// Jain's index of fairness (DEC TR-301): 1 = all alike.
inline double jain(const std::vector<double>& shares) {
  double sum = 0, squares = 0;
  for (const double share : shares) sum += share, squares += share * share;
  return sum * sum / (double(shares.size()) * squares);
}

inline double jain(const LimitedClient& client) {
  std::vector<double> shares;
  for (const Stream& flow : client.flows) shares.push_back(double(flow.moved));
  return jain(shares);
}

}  // namespace culvert::test
