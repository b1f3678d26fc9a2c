// FormatDetector: which format a list has, by the first lines that say something.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "dns/settings.hpp"

namespace culvert::dns {

class FormatDetector {
 public:
  using Format = ListSettings::Format;
  static constexpr unsigned enough = 100;  // lines

  // Looks at a line; false if it says nothing: it is empty, or a comment in every format.
  bool look(std::string_view line) noexcept;
  // No further line would change it.
  bool is_sure() const noexcept { return seen_ >= enough || told_ != Format::automatic; }
  Format format() const noexcept;

 private:
  std::array<unsigned, 8> votes_{};  // by Format
  unsigned seen_ = 0;
  Format told_ = Format::automatic;  // by a line that only one format has
};

}  // namespace culvert::dns
