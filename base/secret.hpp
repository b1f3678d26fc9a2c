// Bytes that must not stay behind: wiped on destruction and after a move, not copyable by accident,
// compared in constant time, with no way to print them.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "base/pieces.hpp"

namespace culvert::base {

void wipe(MutableBytes bytes) noexcept;                    // not optimised away
bool equal_constant_time(Bytes a, Bytes b) noexcept;       // false if the sizes differ
bool is_zero_constant_time(Bytes bytes) noexcept;

template <std::size_t N>
class Secret {
 public:
  static constexpr std::size_t size = N;

  Secret() = default;
  explicit Secret(std::span<const std::byte, N> from) noexcept {
    for (std::size_t i = 0; i < N; ++i) bytes_[i] = from[i];
  }
  ~Secret() { clear(); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  Secret(Secret&& other) noexcept : bytes_(other.bytes_) { other.clear(); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) bytes_ = other.bytes_, other.clear();
    return *this;
  }

  Secret clone() const noexcept { return Secret(bytes()); }  // a copy that says so
  void clear() noexcept { wipe(bytes_); }
  bool is_zero() const noexcept { return is_zero_constant_time(bytes_); }

  std::span<const std::byte, N> bytes() const noexcept { return bytes_; }
  std::span<std::byte, N> mutable_bytes() noexcept { return bytes_; }

  friend bool operator==(const Secret& a, const Secret& b) noexcept {
    return equal_constant_time(a.bytes_, b.bytes_);
  }

 private:
  std::array<std::byte, N> bytes_{};
};

}  // namespace culvert::base
