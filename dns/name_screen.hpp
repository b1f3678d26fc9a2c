// NameScreen: tells nearly all names apart from some hundred known ones and what is below those, by
// the domain of two labels that they lie in: one read of memory for a question. Built once for a
// key.
#pragma once

#include <array>
#include <cstdint>

#include "base/assert.hpp"
#include "dns/name_path.hpp"

namespace culvert::dns {

class NameScreen {
 public:
  // With all below it. Two labels at least.
  void add(const NamePath& known) noexcept {
    BASE_ASSERT(known.labels() >= labels);
    words_[place_of(known)] |= bit_of(known);
  }
  // False: it is none of them. By a path under the same key.
  bool may_hold(const NamePath& path) const noexcept {
    return path.labels() >= labels && (words_[place_of(path)] & bit_of(path)) != 0;
  }

 private:
  static constexpr unsigned labels = 2;
  static constexpr std::size_t words = 256;

  static std::size_t place_of(const NamePath& path) noexcept { return path[labels].print % words; }
  static std::uint64_t bit_of(const NamePath& path) noexcept {
    return std::uint64_t{1} << (path[labels].print >> 8 & 63);
  }

  std::array<std::uint64_t, words> words_{};
};

}  // namespace culvert::dns
