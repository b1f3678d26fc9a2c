// SharedText: a short text in memory that several processes map: written seldom by its one writer,
// read by anyone. Until it is there it reads as empty; who reads while it is written may see some
// of both texts.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace culvert::base {

template <std::size_t Capacity>
class SharedText {
  static_assert(Capacity < 256);

 public:
  // What is longer is cut.
  void set(std::string_view text) noexcept {
    const std::size_t size = std::min(text.size(), Capacity);
    for (std::size_t i = 0; i < size; ++i) text_[i].store(text[i], std::memory_order_relaxed);
    size_.store(std::uint8_t(size), std::memory_order_release);
  }

  std::string get() const {
    // Another process wrote the size.
    const std::size_t size = std::min<std::size_t>(size_.load(std::memory_order_acquire), Capacity);
    std::string out;
    for (std::size_t i = 0; i < size; ++i) out += text_[i].load(std::memory_order_relaxed);
    return out;
  }

 private:
  std::array<std::atomic<char>, Capacity> text_{};
  std::atomic<std::uint8_t> size_{0};
};

}  // namespace culvert::base
