#include "base/secret.hpp"

#include <cstring>

namespace culvert::base {

void wipe(MutableBytes bytes) noexcept { explicit_bzero(bytes.data(), bytes.size()); }

bool equal_constant_time(Bytes a, Bytes b) noexcept {
  if (a.size() != b.size()) return false;
  volatile unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference = difference | std::to_integer<unsigned>(a[i] ^ b[i]);
  return difference == 0;
}

bool is_zero_constant_time(Bytes bytes) noexcept {
  volatile unsigned any = 0;
  for (std::byte b : bytes) any = any | std::to_integer<unsigned>(b);
  return any == 0;
}

}  // namespace culvert::base
