#include "wg/deadlines.hpp"

#include <algorithm>

namespace culvert::wg {

void Deadlines::reserve(std::size_t slots) {
  if (slots > heap_.capacity()) heap_.reserve(std::max(slots, 2 * heap_.capacity()));
}

void Deadlines::put(std::size_t position, Slot* slot) noexcept {
  heap_[position] = slot;
  slot->position_ = position;
}

void Deadlines::sift_up(std::size_t position) noexcept {
  Slot* const slot = heap_[position];
  while (position > 0) {
    const std::size_t parent = (position - 1) / 2;
    if (heap_[parent]->at_ <= slot->at_) break;
    put(position, heap_[parent]);
    position = parent;
  }
  put(position, slot);
}

void Deadlines::sift_down(std::size_t position) noexcept {
  Slot* const slot = heap_[position];
  for (std::size_t child; (child = 2 * position + 1) < heap_.size(); position = child) {
    if (child + 1 < heap_.size() && heap_[child + 1]->at_ < heap_[child]->at_) ++child;
    if (slot->at_ <= heap_[child]->at_) break;
    put(position, heap_[child]);
  }
  put(position, slot);
}

void Deadlines::schedule(Slot& slot, base::Time at) noexcept {
  const bool was_in = slot.at_ != base::never;
  if (!was_in && at == base::never) return;
  if (!was_in) {
    slot.at_ = at;
    heap_.push_back(&slot);
    sift_up(heap_.size() - 1);
    return;
  }
  const std::size_t position = slot.position_;
  slot.at_ = at;
  if (at == base::never) {
    Slot* const last = heap_.back();
    heap_.pop_back();
    if (last == &slot) return;
    put(position, last);
  }
  sift_up(position);
  sift_down(heap_[position]->position_);
}

Deadlines::Slot* Deadlines::pop_due(base::Time now) noexcept {
  if (heap_.empty() || heap_.front()->at_ > now) return nullptr;
  Slot* const due = heap_.front();
  remove(*due);
  return due;
}

}  // namespace culvert::wg
