#include "base/packet.hpp"

#include <new>

#include "base/assert.hpp"

namespace culvert::base {

namespace detail {

// The data follows the slot in the same allocation.
struct alignas(std::max_align_t) PacketSlot {
  PacketPool* pool;
  PacketSlot* next_free;
  std::size_t size;
  alignas(std::max_align_t) std::byte scratch[Packet::scratch_size];

  std::byte* data() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
};

}  // namespace detail

std::byte* Packet::data() const noexcept { return slot_->data(); }
std::size_t Packet::size() const noexcept { return slot_ ? slot_->size : 0; }
std::size_t Packet::capacity() const noexcept { return slot_ ? slot_->pool->capacity_ : 0; }
void* Packet::scratch() const noexcept { return slot_->scratch; }

void Packet::resize(std::size_t size) noexcept {
  BASE_ASSERT(slot_ && size <= slot_->pool->capacity_);
  slot_->size = size;
}

void Packet::reset() noexcept {
  if (slot_) slot_->pool->give_back(std::exchange(slot_, nullptr));
}

Packet Packet::adopt(void* released) noexcept {
  Packet packet;
  packet.slot_ = static_cast<detail::PacketSlot*>(released);
  return packet;
}

PacketPool::PacketPool(std::size_t capacity_each, std::size_t max_packets) noexcept
    : capacity_(capacity_each), max_packets_(max_packets) {}

PacketPool::~PacketPool() {
  BASE_ASSERT(in_use_ == 0);
  trim(0);
}

Packet PacketPool::allocate() noexcept {
  if (in_use_ >= max_packets_) return {};
  detail::PacketSlot* slot = free_;
  if (slot) {
    free_ = slot->next_free;
    --free_count_;
  } else {
    void* memory = ::operator new(sizeof(detail::PacketSlot) + capacity_, std::nothrow);
    if (!memory) return {};
    slot = ::new (memory) detail::PacketSlot;
    slot->pool = this;
  }
  slot->size = 0;
  ++in_use_;
  return Packet::adopt(slot);
}

void PacketPool::give_back(detail::PacketSlot* slot) noexcept {
  slot->next_free = free_;
  free_ = slot;
  ++free_count_;
  --in_use_;
}

void PacketPool::trim(std::size_t keep) noexcept {
  while (free_count_ > keep) {
    detail::PacketSlot* slot = free_;
    free_ = slot->next_free;
    --free_count_;
    ::operator delete(slot);
  }
}

}  // namespace culvert::base
