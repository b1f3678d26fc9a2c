// OpenQuestion: what was asked of Upstreams, until it is answered, with the exchanges it has under
// way. The slots of both are reused, and a heap knows which question has to be looked at next.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "dns/upstream_exchange.hpp"
#include "dns/upstreams.hpp"

namespace culvert::dns {

struct ServerSet;

struct OpenQuestion {
  static constexpr std::size_t most_exchanges = 8;  // that may be under way or have been

  Name name;
  std::uint16_t type = 0, class_ = class_::in;
  bool dnssec_ok = false, checking_disabled = false;
  std::shared_ptr<const ServerSet> set;
  Asking::Done done;
  base::Time began{}, next{};  // next: when to do something about it
  std::array<Exchange*, most_exchanges> under_way{};
  std::size_t live = 0;                               // of under_way
  std::size_t started = 0;                            // exchanges in all
  std::uint64_t tried_first = 0, tried_fallback = 0;  // a bit for each place in the set
  bool given_up = false;                              // told so in the next tick
  Failure failure = Failure::none;                    // the last one
  // SERVFAIL or REFUSED of a server, given on if no other does better.
  std::vector<std::byte> poor;
  std::uint8_t poor_from = 0;
  bool poor_authenticated = false;
  std::size_t heap_place = 0;

  void add(Exchange& exchange) noexcept { under_way[live++] = &exchange; }
  void remove(const Exchange& exchange) noexcept;
};

// Questions by `next`, the earliest first.
class QuestionHeap {
 public:
  void push(OpenQuestion& question);
  void remove(OpenQuestion& question) noexcept;
  void move(OpenQuestion& question, base::Time next) noexcept;
  OpenQuestion* front() const noexcept { return heap_.empty() ? nullptr : heap_.front(); }
  std::size_t size() const noexcept { return heap_.size(); }
  OpenQuestion& operator[](std::size_t place) noexcept { return *heap_[place]; }

 private:
  void put(std::size_t place, OpenQuestion& question) noexcept;
  void up(std::size_t place) noexcept;
  void down(std::size_t place) noexcept;

  std::vector<OpenQuestion*> heap_;
};

// Slots that stay where they are.
template <class T>
class Slots {
 public:
  T& take() {
    if (free_.empty()) return all_.emplace_back();
    T& slot = *free_.back();
    free_.pop_back();
    return slot;
  }
  void give_back(T& slot) { free_.push_back(&slot); }
  std::size_t in_use() const noexcept { return all_.size() - free_.size(); }

 private:
  std::deque<T> all_;
  std::vector<T*> free_;
};

}  // namespace culvert::dns
