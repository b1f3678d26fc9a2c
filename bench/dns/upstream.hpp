// The resolver behind the server: answers every question for A, but for names that begin with
// "silent".
#pragma once

#include <cstdint>

namespace culvert::bench {

// Until the process ends.
[[noreturn]] void serve_upstream(std::uint16_t port);

}  // namespace culvert::bench
