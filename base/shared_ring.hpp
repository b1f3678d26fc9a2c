// SharedRing: a bounded queue from one process to another in memory both map. One writer, one
// reader, no lock; a full ring refuses, and its writer counts that. What was pushed survives the
// writer's death.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace culvert::base {

template <class T, std::size_t Capacity>
class SharedRing {
  static_assert(std::is_trivially_copyable_v<T>);
  static_assert((Capacity & (Capacity - 1)) == 0, "a power of two");

 public:
  static constexpr std::size_t capacity = Capacity;

  bool push(const T& value) noexcept {
    const std::uint64_t end = end_.load(std::memory_order_relaxed);
    if (end - begin_.load(std::memory_order_acquire) == Capacity) return false;
    items_[end % Capacity] = value;
    end_.store(end + 1, std::memory_order_release);
    return true;
  }

  bool pop(T& value) noexcept {
    const std::uint64_t begin = begin_.load(std::memory_order_relaxed);
    if (begin == end_.load(std::memory_order_acquire)) return false;
    value = items_[begin % Capacity];
    begin_.store(begin + 1, std::memory_order_release);
    return true;
  }

 private:
  alignas(64) std::atomic<std::uint64_t> end_{0};
  alignas(64) std::atomic<std::uint64_t> begin_{0};
  alignas(64) std::array<T, Capacity> items_;
};

}  // namespace culvert::base
