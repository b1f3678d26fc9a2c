#include "proxy/shaper.hpp"

#include <algorithm>
#include <new>

namespace culvert::proxy {
namespace {

using std::chrono::milliseconds;

// A lane's part of a round: one read of a socket.
constexpr std::size_t visit_bytes = 64 << 10;
// What a turn costs that moves next to nothing, in bytes: its system call.
constexpr std::size_t least_cost = 1 << 10;
// A mover's part of a limited lane. Eight flows at 1 Mbit/s come by every 90 ms, and at 1 Gbit/s a
// system call moves as much as without a limit.
constexpr base::Duration quantum_time = milliseconds(10);
// A lane sleeps until it may move so much, so that a fast one does not wake the worker too often.
constexpr base::Duration shortest_wait = milliseconds(2);
// A limit may have changed by then.
constexpr base::Duration longest_wait = milliseconds(250);

}  // namespace

Shaper::Shaper(std::span<base::GroupControls> groups) : controls_(groups), groups_(groups.size()) {}

GroupQueue* Shaper::group_of(const Lane& lane) noexcept {
  const std::uint64_t place = lane.controls_ ? lane.controls_->group.get() : 0;
  if (place == 0 || place > groups_.size()) return nullptr;
  auto& queue = groups_[place - 1][std::size_t(lane.direction_)];
  if (!queue) queue.reset(new (std::nothrow) GroupQueue(controls_[place - 1], lane.direction_));
  return queue.get();
}

// Once a turn is often enough: what is read lies in memory that other processes write.
const Terms& Shaper::terms_of(Lane& lane, base::Time now) noexcept {
  if (!lane.controls_ || lane.terms_at_ == now) return lane.terms_;
  lane.terms_at_ = now;
  Terms& terms = lane.terms_;
  terms.own = rate_of(*lane.controls_, lane.counters_, lane.direction_);
  terms.group = group_of(lane);
  terms.of_group = terms.group ? terms.group->share.rate() : 0;
  if (terms.of_group == 0) terms.group = nullptr;
  return terms;
}

bool Shaper::is_limited(Lane& lane, base::Time now) noexcept {
  return terms_of(lane, now).rate() != 0;
}

void Shaper::join(Ring ring, Lane& lane, Mover& mover) noexcept {
  if (mover.waits()) return;
  lane.movers_.push_back(mover);
  if (!lane.waits()) of(ring).active.push_back(lane);
}

void Shaper::serve(Ring ring, base::Time now) noexcept {
  Turns& turns = of(ring);
  wake(turns, now);
  for (std::size_t done = 0; done < turn_bytes && !turns.active.empty();) {
    Lane& lane = turns.active.front();
    turns.active.pop_front();
    done += visit(turns, lane, now);
  }
}

void Shaper::wake(Turns& turns, base::Time now) noexcept {
  while (!turns.timers.empty() && turns.timers.begin()->due <= now) {
    Waiting& waiting = *turns.timers.begin();
    turns.timers.erase(turns.timers.begin());
    if (waiting.lane)
      turns.active.push_back(*waiting.lane);
    else
      turns.active.splice(turns.active.end(), *waiting.lanes);
  }
}

std::size_t Shaper::quantum_of(std::uint64_t rate) noexcept {
  if (rate == 0) return visit_bytes;
  return std::min(std::size_t(RateBucket::bytes_in(quantum_time, rate, full_segment)), visit_bytes);
}

bool Shaper::has_tokens(Lane& lane, const Terms& terms, std::int64_t bytes,
                        base::Time now) noexcept {
  if (terms.own != 0) {
    lane.streams_.refill(terms.own, now);
    if (lane.streams_.tokens() < bytes) return false;
  }
  return !terms.group || terms.group->share.has(bytes, terms.of_group, now);
}

// For its own tokens, or in the queue of its group.
void Shaper::park(Turns& turns, Lane& lane, const Terms& terms, std::int64_t bytes,
                  base::Time now) noexcept {
  if (terms.own != 0 && lane.streams_.tokens() < bytes) {
    const std::int64_t worthwhile = RateBucket::bytes_in(shortest_wait, terms.own, bytes);
    return wait_until(turns, lane.timer_, lane.streams_.ready_at(worthwhile), now);
  }
  terms.group->lanes.push_back(lane);
  if (!terms.group->timer.is_linked())
    wait_until(turns, terms.group->timer, terms.group->share.ready_at(), now);
}

void Shaper::wait_until(Turns& turns, Waiting& timer, base::Time due, base::Time now) noexcept {
  timer.due = std::min(due, now + longest_wait);
  turns.timers.insert(timer);
}

// Members of a group take turns by the quantum, so that a short allowance does not end with the
// first of them each time.
std::size_t Shaper::visit(Turns& turns, Lane& lane, base::Time now) noexcept {
  const Terms& terms = terms_of(lane, now);
  const bool limited = terms.rate() != 0;
  const std::size_t quantum = quantum_of(terms.rate());
  const std::size_t part = terms.group ? quantum : visit_bytes;
  std::size_t done = 0;
  while (!lane.movers_.empty() && done < part) {
    if (limited && !has_tokens(lane, terms, std::int64_t(quantum), now)) {
      // One that has had something queues behind those that have not.
      if (done == 0) park(turns, lane, terms, std::int64_t(quantum), now);
      break;
    }
    Mover& mover = lane.movers_.front();
    lane.movers_.pop_front();
    const Moved moved = mover.move(quantum);
    if (moved.more && !mover.waits()) lane.movers_.push_back(mover);
    if (terms.own != 0) lane.streams_.take(moved.bytes);
    if (terms.group) terms.group->share.take(moved.bytes);
    done += std::max(moved.bytes, least_cost);
  }
  if (!lane.movers_.empty() && !lane.waits()) turns.active.push_back(lane);
  return done;
}

bool Shaper::pass(Lane& lane, std::size_t bytes, base::Time now) noexcept {
  const Terms& terms = terms_of(lane, now);
  const auto size = std::int64_t(bytes);
  const std::uint64_t rate = datagram_rate(terms.own, !lane.movers_.empty());
  if (rate != 0 && !may_pass(lane.datagrams_, size, rate, now)) return false;
  if (GroupQueue* group = terms.group) {
    if (!group->share.has_for_datagram(size, terms.of_group, !group->lanes.empty(), now))
      return false;
    group->share.take_datagram(bytes);
  }
  if (rate == 0) return true;
  lane.datagrams_.take(bytes);
  lane.streams_.refill(terms.own, now);
  lane.streams_.take(bytes);
  return true;
}

bool Shaper::is_backlogged() const noexcept {
  return std::any_of(turns_.begin(), turns_.end(),
                     [](const Turns& t) { return !t.active.empty(); });
}

base::Time Shaper::next_deadline() const noexcept {
  base::Time next = base::never;
  for (const Turns& turns : turns_)
    if (!turns.timers.empty()) next = std::min(next, turns.timers.begin()->due);
  return next;
}

}  // namespace culvert::proxy
