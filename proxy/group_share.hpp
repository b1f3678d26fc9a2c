// GroupShare: what this worker may move of a group's bandwidth in one direction.
//
// The group's bucket is one number that all workers share, the time up to which the bandwidth has
// been paid for (the theoretical arrival time of the generic cell rate algorithm, ITU-T I.371). A
// worker takes from it a chunk at a time into a reserve of its own, so the shared cache line moves
// a few hundred times a second and not with every packet.
#pragma once

#include <atomic>

#include "proxy/policing.hpp"
#include "proxy/rates.hpp"

namespace culvert::proxy {

class GroupShare {
 public:
  GroupShare(base::GroupControls& controls, Direction direction) noexcept
      : controls_(controls),
        paid_until_(direction == Direction::up ? controls.up_paid_until : controls.down_paid_until),
        direction_(direction) {}

  // Bits per second now; 0 = no limit, and nothing below is to be asked.
  std::uint64_t rate() const noexcept { return rate_of(controls_, direction_); }

  // True if `bytes` may be moved now: take() them. If not, ready_at() says when to ask again.
  bool has(std::int64_t bytes, std::uint64_t rate, base::Time now) noexcept;
  // The same for a datagram, which cannot wait; it may run into debt. While streams wait here it
  // has half of the rate.
  bool has_for_datagram(std::int64_t bytes, std::uint64_t rate, bool streams_wait,
                        base::Time now) noexcept;
  void take(std::size_t bytes) noexcept { reserve_ -= std::int64_t(bytes); }
  void take_datagram(std::size_t bytes) noexcept { take(bytes), datagrams_.take(bytes); }
  base::Time ready_at() const noexcept { return ready_at_; }

 private:
  bool pay(std::int64_t bytes, std::uint64_t rate, base::Duration debt, base::Time now) noexcept;

  base::GroupControls& controls_;
  std::atomic<std::int64_t>& paid_until_;
  const Direction direction_;
  std::int64_t reserve_ = 0;
  DatagramBucket datagrams_;
  base::Time ready_at_{};
  base::Time refused_since_ = base::never;
};

}  // namespace culvert::proxy
