// What lwIP is shown of a client's TCP options. lwIP reads MSS, window scale and SACK-permitted in
// any segment, asserts on some combinations, and looks one byte past the end of a truncated option.
#pragma once

#include <cstddef>

#include "base/pieces.hpp"

namespace culvert::netstack {

enum class OptionUse { opening, established };

// Rewrites the option bytes in place (they lie in a packet buffer of ours): what cannot be walked
// becomes end-of-list; outside of an opening segment the options that only belong there become
// no-operations; an MSS below the least that a path may carry is raised to it.
inline void sanitise_options(base::Bytes options, OptionUse use) noexcept {
  constexpr std::byte end{0}, nop{1}, mss{2}, window_scale{3}, sack_permitted{4};
  constexpr unsigned default_mss = 536;
  constexpr unsigned least_mss = 88;  // as hosts do against segments of a few bytes
  auto* p = const_cast<std::byte*>(options.data());
  const std::size_t n = options.size();
  for (std::size_t i = 0; i < n && p[i] != end;) {
    if (p[i] == nop) {
      ++i;
      continue;
    }
    const std::size_t length = i + 1 < n ? std::to_integer<std::size_t>(p[i + 1]) : 0;
    const bool wrong = length < 2 || i + length > n || (p[i] == mss && length != 4) ||
                       (p[i] == window_scale && length != 3) ||
                       (p[i] == sack_permitted && length != 2);
    if (wrong) {
      while (i < n) p[i++] = end;
      return;
    }
    const bool only_opening = p[i] == mss || p[i] == window_scale || p[i] == sack_permitted;
    if (use == OptionUse::established && only_opening) {
      for (std::size_t k = 0; k < length; ++k) p[i + k] = nop;
    } else if (p[i] == mss) {
      const unsigned value =
          std::to_integer<unsigned>(p[i + 2]) << 8 | std::to_integer<unsigned>(p[i + 3]);
      // None at all is as if the option were missing (RFC 9293 section 3.7.1).
      const unsigned used = value == 0 ? default_mss : value < least_mss ? least_mss : value;
      p[i + 2] = std::byte(used >> 8), p[i + 3] = std::byte(used & 0xff);
    }
    i += length;
  }
}

}  // namespace culvert::netstack
