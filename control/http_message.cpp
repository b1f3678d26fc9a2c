#include "control/http_message.hpp"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <boost/beast/http/status.hpp>

namespace culvert::control {
namespace {

std::string_view reason_of(int status) {
  const auto reason =
      boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(unsigned(status)));
  return {reason.data(), reason.size()};
}

std::string date_now() {
  const time_t now = ::time(nullptr);
  tm utc{};
  ::gmtime_r(&now, &utc);
  char text[40];
  const std::size_t size = ::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return {text, size};
}

bool printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
}

}  // namespace

void split_target(std::string_view target, Request& request) {
  if (!printable(target)) return;
  if (target.starts_with("http://") || target.starts_with("https://")) {
    const std::size_t authority = target.find("//") + 2;
    target.remove_prefix(std::min(target.find_first_of("/?", authority), target.size()));
    if (!target.starts_with('/')) {
      request.path = "/";
      if (!target.empty()) request.query = target.substr(1);
      return;
    }
  }
  if (!target.starts_with('/')) return;
  const std::size_t mark = std::min(target.find('?'), target.size());
  request.path = target.substr(0, mark);
  if (mark < target.size()) request.query = target.substr(mark + 1);
}

std::string response_text(const Response& response, bool head_only, bool keep_alive, bool streams) {
  std::string text = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\nServer: culvert\r\n",
                                 response.status, reason_of(response.status), date_now());
  if (!response.content_type.empty())
    text += fmt::format("Content-Type: {}\r\nX-Content-Type-Options: nosniff\r\n",
                        response.content_type);
  text += "Cache-Control: no-store\r\n";
  for (const auto& [name, value] : response.fields) text += fmt::format("{}: {}\r\n", name, value);
  const bool endless = response.stream != nullptr || streams;
  if (!endless && response.status != 204)
    text += fmt::format("Content-Length: {}\r\n", response.body.size());
  text += keep_alive && !streams ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  if (!head_only && response.status != 204) text += response.body;
  return text;
}

std::string too_long_text(const HttpBounds& bounds) {
  return fmt::format("a target has at most {} bytes", bounds.target);
}

}  // namespace culvert::control
