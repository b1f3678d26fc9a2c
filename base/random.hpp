// Randomness as a parameter: a protocol takes a Random&, a test hands in one it can predict.
#pragma once

#include <cstdint>
#include <span>

#include "base/pieces.hpp"

namespace culvert::base {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(MutableBytes out) noexcept = 0;

  std::uint32_t u32() noexcept;
  std::uint64_t u64() noexcept;
  std::uint32_t below(std::uint32_t bound) noexcept;  // uniform in [0, bound); bound > 0
};

// The kernel's generator: getrandom(2), which waits for the seed at boot. Safe for keys.
class SystemRandom final : public Random {
 public:
  void fill(MutableBytes out) noexcept override;
};

}  // namespace culvert::base
