// The anti-replay window of RFC 6479: a ring of bits in which whole words are cleared as the window
// moves, so that accepting a counter costs no shifting. 8192 bits, of which the word that is being
// filled cannot be relied on: a counter up to 8128 behind the newest is told from a replay.
// Asked by Session after the AEAD has authenticated the counter.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "wg/messages.hpp"

namespace culvert::wg {

class ReplayWindow {
 public:
  static constexpr std::uint64_t ring_bits = 8192;
  static constexpr std::uint64_t word_bits = 64;
  static constexpr std::uint64_t size = ring_bits - word_bits;

  // True if `counter` is new; it is remembered then.
  bool accept(std::uint64_t counter) noexcept {
    if (counter >= reject_after_messages) return false;
    const std::uint64_t place = counter + 1;  // 0 stands for "nothing seen yet" in newest_
    if (place + size < newest_) return false;
    if (place > newest_) advance(place);
    std::uint64_t& word = ring_[word_of(place)];
    const std::uint64_t bit = std::uint64_t(1) << (place % word_bits);
    if (word & bit) return false;
    word |= bit;
    return true;
  }

 private:
  static constexpr std::uint64_t words = ring_bits / word_bits;
  static std::size_t word_of(std::uint64_t place) noexcept { return place / word_bits % words; }

  void advance(std::uint64_t place) noexcept {
    const std::uint64_t from = newest_ / word_bits;
    // However far the jump, the ring is cleared once at most.
    const std::uint64_t count = std::min(place / word_bits - from, words);
    for (std::uint64_t i = 1; i <= count; ++i) ring_[(from + i) % words] = 0;
    newest_ = place;
  }

  std::array<std::uint64_t, words> ring_{};
  std::uint64_t newest_ = 0;
};

}  // namespace culvert::wg
