// The addresses of this host, for the egress policy. Read before the sandbox closes: the kernel
// tells them by a netlink socket.
#pragma once

#include <vector>

#include "base/ip.hpp"

namespace culvert::app {

std::vector<base::Prefix> host_addresses();  // whole addresses; throws std::system_error

}  // namespace culvert::app
