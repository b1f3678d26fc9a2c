#include "dns/upstream_question.hpp"

#include <algorithm>

namespace culvert::dns {

void OpenQuestion::remove(const Exchange& exchange) noexcept {
  const auto end = under_way.begin() + std::ptrdiff_t(live);
  const auto at = std::find(under_way.begin(), end, &exchange);
  if (at == end) return;
  std::copy(at + 1, end, at);  // the oldest stays in front
  --live;
}

void QuestionHeap::put(std::size_t place, OpenQuestion& question) noexcept {
  heap_[place] = &question;
  question.heap_place = place;
}

void QuestionHeap::push(OpenQuestion& question) {
  heap_.push_back(&question);
  question.heap_place = heap_.size() - 1;
  up(question.heap_place);
}

void QuestionHeap::remove(OpenQuestion& question) noexcept {
  const std::size_t place = question.heap_place;
  OpenQuestion& last = *heap_.back();
  heap_.pop_back();
  if (&last == &question) return;
  put(place, last);
  up(place);
  down(last.heap_place);
}

void QuestionHeap::move(OpenQuestion& question, base::Time next) noexcept {
  question.next = next;
  up(question.heap_place);
  down(question.heap_place);
}

void QuestionHeap::up(std::size_t place) noexcept {
  OpenQuestion& moved = *heap_[place];
  for (; place > 0 && moved.next < heap_[(place - 1) / 2]->next; place = (place - 1) / 2)
    put(place, *heap_[(place - 1) / 2]);
  put(place, moved);
}

void QuestionHeap::down(std::size_t place) noexcept {
  OpenQuestion& moved = *heap_[place];
  for (std::size_t child; (child = 2 * place + 1) < heap_.size(); place = child) {
    if (child + 1 < heap_.size() && heap_[child + 1]->next < heap_[child]->next) ++child;
    if (moved.next <= heap_[child]->next) break;
    put(place, *heap_[child]);
  }
  put(place, moved);
}

}  // namespace culvert::dns
