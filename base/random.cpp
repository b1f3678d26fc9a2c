#include "base/random.hpp"

#include <sys/random.h>

#include <cerrno>

#include "base/assert.hpp"

namespace culvert::base {

std::uint32_t Random::u32() noexcept {
  std::uint32_t value;
  fill(std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

std::uint64_t Random::u64() noexcept {
  std::uint64_t value;
  fill(std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

std::uint32_t Random::below(std::uint32_t bound) noexcept {
  BASE_ASSERT(bound > 0);
  // Values under `threshold` would make the low residues more likely: drawn again.
  const std::uint32_t threshold = (0u - bound) % bound;
  for (;;) {
    const std::uint32_t value = u32();
    if (value >= threshold) return value % bound;
  }
}

void SystemRandom::fill(MutableBytes out) noexcept {
  while (!out.empty()) {
    const ssize_t n = getrandom(out.data(), out.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    BASE_ASSERT(n > 0);  // the system call exists and its arguments are right: it cannot fail
    out = out.subspan(std::size_t(n));
  }
}

}  // namespace culvert::base
