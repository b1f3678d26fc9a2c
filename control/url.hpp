// Url: where a webhook or an admission request goes: http or https, a host, a port, a target.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace culvert::control {

struct Url {
  bool tls = false;
  std::string host;  // a name or an address, without brackets
  std::uint16_t port = 0;
  std::string target;  // path and query, at least "/"

  // Printable ASCII only; no user or password, which would be shown in logs; a fragment is cut off.
  static std::optional<Url> parse(std::string_view text);
  // Where a redirect leads from here: a URL, or one without its first parts (RFC 3986 section 4.2).
  std::optional<Url> resolve(std::string_view reference) const;
  std::string authority()
      const;  // for the header Host: the port only where it is not the usual one
  // For logs and status: without the query, which may hold a token.
  std::string shown() const;
};

}  // namespace culvert::control
