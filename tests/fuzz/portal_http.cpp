// The portal's HTTP: what a stopped client sends to port 80, in one piece and cut anywhere.
#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "proxy/portal_http.hpp"

using namespace culvert;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data),
                              std::min(size, proxy::largest_request));
  proxy::HttpRequest request;
  const proxy::HttpParsed parsed = proxy::parse_http(text, request);
  if (parsed == proxy::HttpParsed::more && text.size() == proxy::largest_request) std::abort();
  const base::IpAddress own = *base::IpAddress::parse("10.8.0.1");
  proxy::PageFacts facts;
  facts.name = std::string(text.substr(0, 64));
  facts.stop = base::Stop(size % 5);
  const std::string answer = parsed == proxy::HttpParsed::done ? proxy::respond(request, facts, own)
                                                               : proxy::respond_error(parsed);
  // Nothing that came in stands in a header, and a name is never markup.
  const auto end = answer.find("\r\n\r\n");
  if (end == std::string::npos || !answer.starts_with("HTTP/1.1 ")) std::abort();
  if (answer.find("<script") != std::string::npos) std::abort();
  // A part of a request is not done before the whole is.
  if (parsed == proxy::HttpParsed::more && text.size() > 1) {
    proxy::HttpRequest part;
    if (proxy::parse_http(text.substr(0, text.size() / 2), part) == proxy::HttpParsed::done)
      std::abort();
  }
  return 0;
}
