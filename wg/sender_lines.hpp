// SenderLines: messages that wait, numbered by whoever keeps them, in a line for each sender.
// Senders take turns, so that one who sends more than can be worked on lengthens its own line only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace culvert::wg {

class SenderLines {
 public:
  using Message = std::uint16_t;

  // Messages are numbered from 0 to `room` - 1.
  explicit SenderLines(std::size_t room) : lines_(room), waiting_(room) {}

  bool empty() const noexcept { return count_ == 0; }
  std::size_t senders() const noexcept { return count_; }
  // Behind what its sender has waiting; a sender without any joins behind the others. A message
  // waits once at most. `weight` says how much work it is.
  void push(std::uint32_t sender, Message message, std::uint16_t weight) noexcept;

  // The following ones want something that waits.
  std::uint32_t sender() const noexcept { return lines_[first_].sender; }  // whose turn it is
  Message front() const noexcept { return lines_[first_].first; }          // its oldest
  void pop() noexcept { remove_first_of(0); }                              // that one
  void next_sender() noexcept;
  Message pop_heaviest() noexcept;  // the oldest of the sender whose messages are most work

 private:
  struct Line {
    std::uint32_t sender, weight;
    Message first, last;
  };
  struct Waiting {
    Message behind;  // not of the last one of a line
    std::uint16_t weight;
  };
  Line& line(std::size_t i) noexcept {
    const std::size_t at = first_ + i;
    return lines_[at < lines_.size() ? at : at - lines_.size()];
  }
  Message remove_first_of(std::size_t i) noexcept;

  std::vector<Line> lines_;  // a ring, in the order of their turns
  std::size_t first_ = 0, count_ = 0;
  std::vector<Waiting> waiting_;  // by message
};

}  // namespace culvert::wg
