// What a stopped client's resolver is told: that every name is at the tunnel's own address, where a
// page says why (portal.hpp).
#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "base/ip.hpp"
#include "base/pieces.hpp"

namespace culvert::proxy {

class DnsNotice {
 public:
  // The addresses of the answers; none = that family has no answer.
  DnsNotice(const base::IpAddress& address4, const base::IpAddress& address6) noexcept
      : address4_(address4), address6_(address6) {}

  // The answer to a query (RFC 1035), valid until the next call: one address for A and AAAA, none
  // for other types (NODATA, RFC 2308 section 2.2); FORMERR and NOTIMP as section 4.1.1 has them.
  // Empty: no query, nothing is to be said.
  base::Bytes answer(base::Bytes query) noexcept;

  static constexpr std::size_t largest_query = 512;

 private:
  base::IpAddress address4_, address6_;
  // Header, a question of the longest name, and one address.
  std::array<std::byte, 12 + 255 + 4 + 12 + 16> out_;
};

}  // namespace culvert::proxy
