// Which peer is due next: a heap of at most one entry a peer. An entry may be earlier than the
// peer's true deadline (the peer then puts itself back), never later, so a timer that only moves
// further away, as nearly every packet makes it do, costs nothing here.
#pragma once

#include <cstdint>
#include <vector>

#include "base/time.hpp"

namespace culvert::wg {

class Peer;

class Deadlines {
 public:
  // A peer's place in the heap.
  class Slot {
   public:
    explicit Slot(Peer* peer = nullptr) noexcept : peer_(peer) {}
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    base::Time at() const noexcept { return at_; }  // base::never = not in the heap
    Peer* peer() const noexcept { return peer_; }

   private:
    friend class Deadlines;
    Peer* peer_;
    base::Time at_ = base::never;
    std::size_t position_ = 0;
  };

  // Room for `slots` entries, so that schedule() does not allocate.
  void reserve(std::size_t slots);
  void schedule(Slot& slot, base::Time at) noexcept;  // base::never takes it out
  void remove(Slot& slot) noexcept { schedule(slot, base::never); }

  base::Time next() const noexcept { return heap_.empty() ? base::never : heap_.front()->at_; }
  // Takes out and returns an entry that is due, if there is one.
  Slot* pop_due(base::Time now) noexcept;
  std::size_t size() const noexcept { return heap_.size(); }

 private:
  void put(std::size_t position, Slot* slot) noexcept;
  void sift_up(std::size_t position) noexcept;
  void sift_down(std::size_t position) noexcept;

  std::vector<Slot*> heap_;
};

}  // namespace culvert::wg
