// Budget: what all connections together may keep in memory for their clients. Each direction has
// half of Stack::Config::window_budget: what clients have sent and the host has not taken, and the
// bytes lent to lwIP for sending.
//
// A receive window is a promise and cannot be taken back, but most promises are never redeemed: an
// idle connection holds 64 KiB of window and not a byte. So the windows may add up to `overcommit`
// times the half, and they stop growing when half of the half is really in use. Beyond either mark
// a new connection starts at `shrunk` bytes, and one whose window has grown beyond the initial one
// falls back to that. What is out of order lies inside the windows but pins whole packet buffers;
// it has a bound of its own.
#pragma once

#include <cstddef>

namespace culvert::netstack {

class Budget {
 public:
  static constexpr std::size_t initial = 65535;
  static constexpr std::size_t shrunk = 16 << 10;
  static constexpr std::size_t overcommit = 4;

  Budget(std::size_t windows, std::size_t out_of_order) noexcept
      : half_(windows / 2), out_of_order_max_(out_of_order) {}

  bool receive_may_grow() const noexcept {
    return promised_ < half_ * overcommit / 4 * 3 && unconsumed_ < half_ / 4;
  }
  bool receive_is_full() const noexcept {
    return promised_ > half_ * overcommit || unconsumed_ > half_ / 2;
  }
  bool send_may_grow() const noexcept { return lent_ < half_ / 4 * 3; }
  bool send_is_full() const noexcept { return lent_ > half_; }
  bool out_of_order_is_full() const noexcept { return out_of_order_ >= out_of_order_max_; }

  // By how much a figure of one connection has changed.
  void promised(std::size_t from, std::size_t to) noexcept { promised_ += to - from; }
  void lent(std::size_t from, std::size_t to) noexcept { lent_ += to - from; }
  void unconsumed(std::size_t from, std::size_t to) noexcept { unconsumed_ += to - from; }
  void out_of_order(std::size_t from, std::size_t to) noexcept { out_of_order_ += to - from; }

  std::size_t promised() const noexcept { return promised_; }
  std::size_t buffered() const noexcept { return lent_ + unconsumed_; }
  std::size_t out_of_order() const noexcept { return out_of_order_; }

 private:
  std::size_t half_, out_of_order_max_;
  std::size_t promised_ = 0, lent_ = 0, unconsumed_ = 0, out_of_order_ = 0;
};

}  // namespace culvert::netstack
