// Packet: one inner IP packet in a pooled buffer, move-only. The AEAD decrypts into it and netstack
// lends it to lwIP without a copy.
//
// A PacketPool belongs to one worker thread. It allocates lazily, keeps what is returned, and never
// holds more than its bound: when that is in use, allocate() gives nothing and the caller drops.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/pieces.hpp"

namespace culvert::base {

class PacketPool;

namespace detail {
struct PacketSlot;
}

class Packet {
 public:
  // Room that whoever holds the packet may use for its own bookkeeping (aligned for any type).
  static constexpr std::size_t scratch_size = 96;

  Packet() = default;
  ~Packet() { reset(); }
  Packet(const Packet&) = delete;
  Packet& operator=(const Packet&) = delete;
  Packet(Packet&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}
  Packet& operator=(Packet&& other) noexcept {
    if (this != &other) reset(), slot_ = std::exchange(other.slot_, nullptr);
    return *this;
  }

  explicit operator bool() const noexcept { return slot_ != nullptr; }
  std::byte* data() const noexcept;
  std::size_t size() const noexcept;
  std::size_t capacity() const noexcept;
  void resize(std::size_t size) noexcept;   // size <= capacity(); new bytes are not initialised
  MutableBytes bytes() const noexcept { return {data(), size()}; }
  void* scratch() const noexcept;
  void reset() noexcept;

  // For an owner that speaks C (a pbuf's free function): give up the handle and take it back.
  void* release() noexcept { return std::exchange(slot_, nullptr); }
  static Packet adopt(void* released) noexcept;

 private:
  friend class PacketPool;
  detail::PacketSlot* slot_ = nullptr;
};

class PacketPool {
 public:
  PacketPool(std::size_t capacity_each, std::size_t max_packets) noexcept;
  ~PacketPool();  // every Packet must be back
  PacketPool(const PacketPool&) = delete;
  PacketPool& operator=(const PacketPool&) = delete;

  Packet allocate() noexcept;  // empty size; a false Packet when the bound is reached
  void trim(std::size_t keep) noexcept;  // gives free slots beyond `keep` back to the heap
  std::size_t in_use() const noexcept { return in_use_; }
  std::size_t capacity_each() const noexcept { return capacity_; }

 private:
  friend class Packet;
  void give_back(detail::PacketSlot* slot) noexcept;

  std::size_t capacity_;
  std::size_t max_packets_;
  std::size_t in_use_ = 0;
  std::size_t free_count_ = 0;
  detail::PacketSlot* free_ = nullptr;
};

}  // namespace culvert::base
