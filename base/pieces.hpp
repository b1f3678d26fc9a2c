// Bytes that lie in several places, in order: how a packet crosses a folder border without naming
// the container (pbuf chain, ring, slot) that holds it. Never owns; valid during the call only.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <span>

#include "base/assert.hpp"

namespace culvert::base {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

class Pieces {
 public:
  static constexpr std::size_t max_count = 64;

  Pieces() = default;
  Pieces(Bytes one) { add(one); }

  // True while there is room; a caller that cannot add has to copy.
  bool add(Bytes piece) noexcept {
    if (piece.empty()) return true;
    if (count_ == max_count) return false;
    parts_[count_++] = piece;
    size_ += piece.size();
    return true;
  }

  std::size_t size() const noexcept { return size_; }
  std::size_t count() const noexcept { return count_; }
  Bytes operator[](std::size_t i) const noexcept { return parts_[i]; }
  const Bytes* begin() const noexcept { return parts_.data(); }
  const Bytes* end() const noexcept { return parts_.data() + count_; }

  // Copies as much as fits into `to`; returns the bytes copied.
  std::size_t copy_to(MutableBytes to) const noexcept {
    std::size_t done = 0;
    for (Bytes part : *this) {
      const std::size_t n = part.size() < to.size() - done ? part.size() : to.size() - done;
      std::memcpy(to.data() + done, part.data(), n);
      done += n;
    }
    return done;
  }

 private:
  std::array<Bytes, max_count> parts_;
  std::size_t count_ = 0;
  std::size_t size_ = 0;
};

}  // namespace culvert::base
