// Ways around the resolver that filters a client: encrypted DNS with another one. They are refused
// at once, by a reset or "port unreachable", so that a phone falls back to port 53 instead of
// waiting (context.hpp asks).
#pragma once

#include "base/ip.hpp"

namespace culvert::proxy {

// DNS over TLS or QUIC by its port (RFC 7858, RFC 9250; 784 and 8853 are those of DoQ's drafts), or
// HTTPS with an address that is known to serve DNS, also where an IPv6 address embeds that.
bool leads_around_dns(const base::Endpoint& target, base::Protocol protocol) noexcept;

}  // namespace culvert::proxy
