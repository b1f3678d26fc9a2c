// The resolvers that this host itself asks: what is asked where the configuration names no
// upstream.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace culvert::app {

// The nameserver lines of a resolv.conf(5), as upstreams are written: "192.0.2.1:53".
// At most as many as the C library asks; what is no address is left out, and so is a link-local
// one, which means nothing without its interface.
std::vector<std::string> parse_resolv_conf(std::string_view text);
// Of this host; none if the file cannot be read.
std::vector<std::string> host_resolvers(const char* path = "/etc/resolv.conf");

}  // namespace culvert::app
