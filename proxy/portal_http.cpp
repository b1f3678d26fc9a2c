#include "proxy/portal_http.hpp"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

namespace culvert::proxy {
namespace {

namespace http = boost::beast::http;

std::string host_text(const base::IpAddress& own) {
  return own.is_v6() ? "[" + own.to_string() + "]" : own.to_string();
}

// A port in Host is left out where it is 80.
std::string_view without_port(std::string_view host) noexcept {
  constexpr std::string_view port = ":80";
  return host.ends_with(port) ? host.substr(0, host.size() - port.size()) : host;
}

std::string response(std::string_view status, std::string_view headers, std::string_view body,
                     bool with_body = true) {
  return fmt::format(
      "HTTP/1.1 {}\r\n"
      "Content-Type: text/html; charset=utf-8\r\n"
      "Content-Length: {}\r\n"
      "Cache-Control: no-store\r\n"
      "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
      "{}"
      "Connection: close\r\n\r\n{}",
      status, body.size(), headers, with_body ? body : std::string_view());
}

}  // namespace

HttpParsed parse_http(std::string_view bytes, HttpRequest& request) noexcept try {
  http::request_parser<http::empty_body> parser;
  parser.header_limit(std::uint32_t(largest_request));
  parser.body_limit(boost::none);
  parser.eager(false);
  boost::system::error_code error;
  parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
  if (!parser.is_header_done()) {
    const bool is_full = bytes.size() >= largest_request;
    if (error == http::error::header_limit || (is_full && error == http::error::need_more))
      return HttpParsed::too_large;
    return !error || error == http::error::need_more ? HttpParsed::more : HttpParsed::malformed;
  }
  request.method = parser.get().method_string();
  request.host = parser.get()[http::field::host];
  return HttpParsed::done;
} catch (const std::exception&) {
  return HttpParsed::malformed;
}

std::string respond(const HttpRequest& request, const PageFacts& facts,
                    const base::IpAddress& own) {
  const bool is_head = request.method == "HEAD";
  const std::string_view host = without_port(request.host);
  const bool is_for_us = host.empty() || host == host_text(own);
  if (facts.stop == base::Stop::none || is_for_us)
    return response("200 OK", "", page(facts), !is_head);
  if (!is_head && request.method != "GET")
    return response("511 Network Authentication Required", "", page(facts));
  const std::string url = "http://" + host_text(own) + "/";
  return response("302 Found", "Location: " + url + "\r\n", page(facts), !is_head);
}

std::string respond_error(HttpParsed what) {
  return what == HttpParsed::too_large
             ? response("431 Request Header Fields Too Large", "", "Request too large.\n")
             : response("400 Bad Request", "", "No HTTP request.\n");
}

}  // namespace culvert::proxy
