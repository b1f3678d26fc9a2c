// Bytes read from an origin, kept where they were read until the client has acknowledged them.
//
// A read goes into a shared 64 KiB chunk. What arrived is kept in place if it is much, and copied
// to the end of the last chunk or into a smaller one if it is little, so that a flow's memory
// follows what is in flight. A flow with nothing in flight owns no chunk.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/pieces.hpp"

namespace culvert::proxy {

struct Chunk {
  Chunk* next = nullptr;
  std::uint32_t capacity = 0, size = 0, released = 0;
  std::uint8_t grade = 0;
  std::byte* data() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
  std::uint32_t room() const noexcept { return capacity - size; }
};

// Chunks of three sizes; a worker has one pool.
class ChunkPool {
 public:
  static constexpr std::array<std::uint32_t, 3> sizes{2 << 10, 16 << 10, 64 << 10};
  static constexpr std::size_t largest = sizes.back();

  ChunkPool() = default;
  ~ChunkPool();
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;

  Chunk* take(std::size_t for_size) noexcept;  // nullptr without memory
  void give_back(Chunk* chunk) noexcept;
  std::size_t bytes_in_use() const noexcept { return in_use_; }

 private:
  static constexpr std::array<std::size_t, 3> kept{512, 128, 64};
  std::array<Chunk*, 3> free_{};
  std::array<std::size_t, 3> free_count_{};
  std::size_t in_use_ = 0;
};

class DownBuffer {
 public:
  explicit DownBuffer(ChunkPool& pool) noexcept : pool_(pool) {}
  ~DownBuffer() { clear(); }
  DownBuffer(const DownBuffer&) = delete;
  DownBuffer& operator=(const DownBuffer&) = delete;

  // One recv(2) of at most `limit` bytes; returns what it returned, with errno. `fresh` is what
  // came.
  ssize_t read(int fd, std::size_t limit, base::Bytes& fresh) noexcept;
  void release(std::size_t bytes) noexcept;  // the oldest
  void clear() noexcept;
  bool empty() const noexcept { return head_ == nullptr; }

 private:
  base::Bytes keep(Chunk* read_into, std::size_t bytes) noexcept;

  ChunkPool& pool_;
  Chunk* head_ = nullptr;
  Chunk* tail_ = nullptr;
};

}  // namespace culvert::proxy
