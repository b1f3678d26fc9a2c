#include "proxy/down_buffer.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace culvert::proxy {

ChunkPool::~ChunkPool() {
  for (Chunk* list : free_)
    while (list) std::free(std::exchange(list, list->next));
}

Chunk* ChunkPool::take(std::size_t for_size) noexcept {
  std::size_t grade = 0;
  while (grade + 1 < sizes.size() && sizes[grade] < for_size) ++grade;
  Chunk* chunk = free_[grade];
  if (chunk) {
    free_[grade] = chunk->next;
    --free_count_[grade];
  } else {
    void* memory = std::malloc(sizeof(Chunk) + sizes[grade]);
    if (!memory) return nullptr;
    chunk = new (memory) Chunk;
    chunk->capacity = sizes[grade];
    chunk->grade = std::uint8_t(grade);
  }
  chunk->next = nullptr;
  chunk->size = chunk->released = 0;
  in_use_ += chunk->capacity;
  return chunk;
}

void ChunkPool::give_back(Chunk* chunk) noexcept {
  in_use_ -= chunk->capacity;
  const std::size_t grade = chunk->grade;
  if (free_count_[grade] == kept[grade]) return std::free(chunk);
  chunk->next = std::exchange(free_[grade], chunk);
  ++free_count_[grade];
}

ssize_t DownBuffer::read(int fd, std::size_t limit, base::Bytes& fresh) noexcept {
  Chunk* chunk = pool_.take(ChunkPool::largest);
  if (!chunk) {
    errno = ENOMEM;
    return -1;
  }
  const ssize_t got = ::recv(fd, chunk->data(), std::min(limit, ChunkPool::largest), MSG_DONTWAIT);
  if (got <= 0) {
    const int error = errno;
    pool_.give_back(chunk);
    errno = error;
    return got;
  }
  fresh = keep(chunk, std::size_t(got));
  return got;
}

base::Bytes DownBuffer::keep(Chunk* chunk, std::size_t bytes) noexcept {
  Chunk* home = chunk;
  if (tail_ && tail_->room() >= bytes) {
    home = tail_;
  } else if (bytes <= ChunkPool::sizes[1]) {
    if (Chunk* small = pool_.take(bytes)) home = small;
  }
  std::byte* const at = home->data() + home->size;
  if (home != chunk) {
    std::memcpy(at, chunk->data(), bytes);
    pool_.give_back(chunk);
  }
  home->size += std::uint32_t(bytes);
  if (home != tail_) {
    (tail_ ? tail_->next : head_) = home;
    tail_ = home;
  }
  return {at, bytes};
}

void DownBuffer::release(std::size_t bytes) noexcept {
  while (head_) {
    const std::size_t n = std::min<std::size_t>(bytes, head_->size - head_->released);
    head_->released += std::uint32_t(n);
    bytes -= n;
    if (head_->released != head_->size) return;
    Chunk* done = std::exchange(head_, head_->next);
    if (!head_) tail_ = nullptr;
    pool_.give_back(done);
  }
}

void DownBuffer::clear() noexcept {
  while (head_) pool_.give_back(std::exchange(head_, head_->next));
  tail_ = nullptr;
}

}  // namespace culvert::proxy
