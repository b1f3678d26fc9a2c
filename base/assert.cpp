#include "base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace culvert::base {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "culvert: broken invariant at %s:%d: %s\n", file, line, expression);
  std::abort();
}

}  // namespace culvert::base
