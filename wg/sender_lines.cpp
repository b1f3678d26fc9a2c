#include "wg/sender_lines.hpp"

namespace culvert::wg {

void SenderLines::push(std::uint32_t sender, Message message, std::uint16_t weight) noexcept {
  waiting_[message].weight = weight;
  for (std::size_t i = 0; i < count_; ++i) {
    Line& its = line(i);
    if (its.sender != sender) continue;
    waiting_[its.last].behind = message;
    its.last = message;
    its.weight += weight;
    return;
  }
  line(count_++) = {sender, weight, message, message};
}

void SenderLines::next_sender() noexcept {
  const Line front = lines_[first_];
  if (++first_ == lines_.size()) first_ = 0;
  line(count_ - 1) = front;
}

SenderLines::Message SenderLines::pop_heaviest() noexcept {
  std::size_t heaviest = 0;
  for (std::size_t i = 1; i < count_; ++i)
    if (line(i).weight > line(heaviest).weight) heaviest = i;
  return remove_first_of(heaviest);
}

SenderLines::Message SenderLines::remove_first_of(std::size_t i) noexcept {
  Line& from = line(i);
  const Message message = from.first;
  from.weight -= waiting_[message].weight;
  if (message != from.last) {
    from.first = waiting_[message].behind;
    return message;
  }
  for (; i > 0; --i) line(i) = line(i - 1);  // what stands before it comes one closer to it
  if (++first_ == lines_.size()) first_ = 0;
  --count_;
  return message;
}

}  // namespace culvert::wg
