// Chain over lwIP's pbufs. Only the links and the lengths of the single buffers are used: tot_len
// has 16 bits, and a chain may hold more.
#include <algorithm>
#include <cstring>
#include <utility>

#include "lwip/pbuf.h"
#include "netstack/tcp_connection.hpp"

namespace culvert::netstack {

namespace {

// Pieces up to this size are copied together when chains are joined, so that a client which sends
// single bytes does not pin a packet buffer with each.
constexpr std::size_t small_piece = 512;
constexpr std::size_t collector_size = 4096;
// Marks a buffer that append() may fill further. The flag is one of lwIP's IP layer, which is not
// compiled here; the room left is kept in tot_len.
constexpr u8_t collector_flag = PBUF_FLAG_LLMCAST;

pbuf* as_pbuf(void* p) noexcept {
  return static_cast<pbuf*>(p);
}

pbuf* new_collector(std::size_t size) noexcept {
  pbuf* p = pbuf_alloc(PBUF_RAW, u16_t(size), PBUF_RAM);
  if (!p) return nullptr;
  p->len = 0;
  p->flags |= collector_flag;
  return p;
}

std::size_t room_in(const pbuf* p) noexcept {
  return p && (p->flags & collector_flag) ? p->tot_len : 0;
}

void fill(pbuf* p, const void* from, std::size_t n) noexcept {
  std::memcpy(static_cast<std::byte*>(p->payload) + p->len, from, n);
  p->len = u16_t(p->len + n);
  p->tot_len = u16_t(p->tot_len - n);
}

pbuf* detach_first(pbuf* p) noexcept {
  return std::exchange(p->next, nullptr);
}

}  // namespace

Chain::Chain(void* pbuf_chain) noexcept : pbuf_(pbuf_chain) {
  for (pbuf* p = as_pbuf(pbuf_chain); p; p = p->next) {
    size_ += p->len;
    tail_ = p;
  }
}

Chain::~Chain() {
  if (pbuf_) pbuf_free(as_pbuf(pbuf_));
}

Chain::Chain(Chain&& other) noexcept
    : pbuf_(std::exchange(other.pbuf_, nullptr)),
      tail_(std::exchange(other.tail_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

Chain& Chain::operator=(Chain&& other) noexcept {
  if (this == &other) return *this;
  if (pbuf_) pbuf_free(as_pbuf(pbuf_));
  pbuf_ = std::exchange(other.pbuf_, nullptr);
  tail_ = std::exchange(other.tail_, nullptr);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

base::Pieces Chain::pieces() const noexcept {
  base::Pieces out;
  for (pbuf* p = as_pbuf(pbuf_); p; p = p->next)
    if (!out.add({static_cast<const std::byte*>(p->payload), p->len})) break;
  return out;
}

void Chain::drop_front(std::size_t bytes) noexcept {
  bytes = std::min(bytes, size_);
  size_ -= bytes;
  while (pbuf_) {
    pbuf* first = as_pbuf(pbuf_);
    if (bytes < first->len) {
      first->payload = static_cast<std::byte*>(first->payload) + bytes;
      first->len = u16_t(first->len - bytes);
      return;
    }
    bytes -= first->len;
    pbuf_ = detach_first(first);
    pbuf_free(first);
  }
  tail_ = nullptr;
}

void Chain::append(Chain other) noexcept {
  while (other.pbuf_) {
    pbuf* piece = as_pbuf(other.pbuf_);
    other.pbuf_ = detach_first(piece);
    size_ += piece->len;
    pbuf* tail = as_pbuf(tail_);
    // The first small piece stays where it is: most chains never grow.
    if (tail && piece->len <= small_piece) {
      pbuf* target = room_in(tail) >= piece->len ? tail : new_collector(collector_size);
      if (target) {
        fill(target, piece->payload, piece->len);
        pbuf_free(piece);
        if (target == tail) continue;
        piece = target;
      }
    }
    (tail ? tail->next : reinterpret_cast<pbuf*&>(pbuf_)) = piece;
    tail_ = piece;
  }
  other.tail_ = nullptr, other.size_ = 0;
}

void Chain::compact() noexcept {
  constexpr std::size_t largest = 32768;
  Chain tight;
  for (std::size_t left = size_; left > 0;) {
    pbuf* p = new_collector(std::min(left, largest));
    if (!p) return;  // stays as it is
    while (room_in(p) > 0) {
      const pbuf* from = as_pbuf(pbuf_);
      const std::size_t n = std::min<std::size_t>(room_in(p), from->len);
      fill(p, from->payload, n);
      drop_front(n);
      left -= n;
    }
    (tight.tail_ ? as_pbuf(tight.tail_)->next : reinterpret_cast<pbuf*&>(tight.pbuf_)) = p;
    tight.tail_ = p;
    tight.size_ += p->len;
  }
  tight.append(std::move(*this));  // empty, unless memory ran out
  *this = std::move(tight);
}

}  // namespace culvert::netstack
