// Addresses that no public name may lead to (DNS rebinding): this machine, the network of whoever
// asks, and every IPv6 form that carries such an IPv4 address.
#pragma once

#include "base/ip.hpp"

namespace culvert::dns {

// Unspecified, loopback, link-local, RFC 1918, 100.64.0.0/10 (RFC 6598), unique local (RFC 4193)
// and the former site-local, 64:ff9b:1::/48; of IPv4 also mapped, compatible, in 64:ff9b::/96 and
// 6to4.
bool is_private(const base::IpAddress& address) noexcept;

}  // namespace culvert::dns
