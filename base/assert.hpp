// BASE_ASSERT: for our own invariants only. It is always on and aborts: a crashed worker is replaced,
// a corrupted one is not. Nothing that a peer, a client or an origin sends may reach one.
#pragma once

namespace culvert::base {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;
}

#define BASE_ASSERT(expression) \
  ((expression) ? void(0) : ::culvert::base::assertion_failed(#expression, __FILE__, __LINE__))
