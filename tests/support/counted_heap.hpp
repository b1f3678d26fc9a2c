// How often the program that this is linked into took memory by operator new, for tests that
// promise none. Its source is named by the tests that want it: it replaces the operators of the
// whole program.
#pragma once

#include <cstddef>

namespace culvert::test {

std::size_t heap_allocations() noexcept;

}  // namespace culvert::test
