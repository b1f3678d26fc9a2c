// What the portal needs of an HTTP request, and its answers. No sockets: bytes in, bytes out.
//
// A request for the tunnel address itself gets the page with 200. A stopped client's request for
// any other host is redirected there with 302: that is what the connectivity checks of Android (200
// to 399 but 204), Apple, Windows and Firefox take for a captive portal and show to a person. RFC
// 6585 section 6 has 511 for the same, so that no program mistakes a page for what it asked for;
// the checks take that for a broken network, so it is only for methods that no person's browser
// starts with (all but GET and HEAD).
#pragma once

#include <string>
#include <string_view>

#include "base/ip.hpp"
#include "proxy/portal_page.hpp"

namespace culvert::proxy {

inline constexpr std::size_t largest_request = 4096;

struct HttpRequest {
  std::string method, host;
};
enum class HttpParsed : std::uint8_t { more, done, malformed, too_large };

// `bytes` is all that came so far.
HttpParsed parse_http(std::string_view bytes, HttpRequest& request) noexcept;

// Whole responses, `Connection: close`. `own` is the tunnel address the client can reach.
std::string respond(const HttpRequest& request, const PageFacts& facts, const base::IpAddress& own);
std::string respond_error(HttpParsed what);

}  // namespace culvert::proxy
