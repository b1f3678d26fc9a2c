// A flood over TCP: as many connections as the server takes, each full of questions, and SYNs for
// more of them all the time.
#pragma once

#include <functional>

#include "tunnel.hpp"

namespace culvert::bench {

// Until `over`; returns how many questions were sent.
std::uint64_t flood_tcp(Tunnel& tunnel, const std::function<bool()>& over);

}  // namespace culvert::bench
