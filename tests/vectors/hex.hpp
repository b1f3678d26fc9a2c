// Hex text of a test vector as bytes; white space is skipped, anything else that is no digit
// throws.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace culvert::vectors {

inline std::vector<std::byte> from_hex(std::string_view text) {
  std::vector<std::byte> bytes;
  int high = -1;
  for (char c : text) {
    if (c == ' ' || c == '\n') continue;
    const auto digit = std::string_view("0123456789abcdef").find(c);
    if (digit == std::string_view::npos) throw std::invalid_argument("not a hex digit");
    if (high < 0) {
      high = int(digit);
    } else {
      bytes.push_back(static_cast<std::byte>(static_cast<unsigned char>(high << 4 | int(digit))));
      high = -1;
    }
  }
  if (high >= 0) throw std::invalid_argument("half a byte");
  return bytes;
}

}  // namespace culvert::vectors
