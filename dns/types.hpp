// The numbers of DNS that culvert knows by name (IANA's registry of DNS parameters).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace culvert::dns {

namespace type {
inline constexpr std::uint16_t a = 1, ns = 2, cname = 5, soa = 6, ptr = 12, hinfo = 13, mx = 15,
                               txt = 16, aaaa = 28, srv = 33, naptr = 35, dname = 39, opt = 41,
                               ds = 43, rrsig = 46, nsec = 47, dnskey = 48, nsec3 = 50, tlsa = 52,
                               svcb = 64, https = 65, tsig = 250, ixfr = 251, axfr = 252, any = 255,
                               caa = 257;
}
namespace class_ {
inline constexpr std::uint16_t in = 1, chaos = 3, any = 255;
}
namespace rcode {
inline constexpr std::uint16_t noerror = 0, formerr = 1, servfail = 2, nxdomain = 3, notimp = 4,
                               refused = 5, badvers = 16;
}
// Extended DNS Errors (RFC 8914).
namespace ede {
inline constexpr std::uint16_t other = 0, stale_answer = 3, forged_answer = 4, blocked = 15,
                               censored = 16, filtered = 17, prohibited = 18, stale_nxdomain = 19,
                               not_ready = 14, not_supported = 21, no_reachable_authority = 22,
                               network_error = 23;
}
// EDNS options.
namespace option {
inline constexpr std::uint16_t nsid = 3, client_subnet = 8, cookie = 10, keepalive = 11,
                               padding = 12, ede = 15;
}

std::string type_text(std::uint16_t type);                       // "AAAA", "TYPE65280" (RFC 3597)
std::optional<std::uint16_t> parse_type(std::string_view text);  // likewise, any case
std::string_view rcode_text(std::uint16_t rcode) noexcept;  // "NXDOMAIN"; "RCODE11" is not had: ""

}  // namespace culvert::dns
