#include "control/router.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "control/uri.hpp"

namespace culvert::control {
namespace {

bool is_placeholder(const std::string& segment) {
  return segment.starts_with('{');
}

// The argument, "" of a path without one; nothing if the path is another.
std::optional<std::string> match(const std::vector<std::string>& pattern,
                                 const std::vector<std::string>& path) {
  if (pattern.size() != path.size()) return std::nullopt;
  std::string argument;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (!is_placeholder(pattern[i])) {
      if (pattern[i] != path[i]) return std::nullopt;
      continue;
    }
    if (path[i].empty()) return std::nullopt;
    argument = path[i];
  }
  return argument;
}

// "application/json" of "Application/JSON; charset=utf-8"
std::string media_type(std::string_view field) {
  std::string type(field.substr(0, std::min(field.find(';'), field.size())));
  std::erase(type, ' ');
  for (char& c : type)
    if (c >= 'A' && c <= 'Z') c = char(c + ('a' - 'A'));
  return type;
}

}  // namespace

Router::Router(std::vector<Route> routes) : routes_(std::move(routes)) {
  for (const Route& each : routes_) entries_.push_back({*path_segments(each.path)});
}

Router::Match Router::find(const Request& request) const {
  const auto path = path_segments(request.path);
  if (!path)
    return {.problem = {400,
                        "Bad path",
                        "expected segments of UTF-8 without control characters, percent-encoded",
                        {}}};
  const std::string_view wanted =
      request.method == "HEAD" ? "GET" : std::string_view(request.method);
  std::vector<std::string_view> allowed;
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    auto argument = match(entries_[i].segments, *path);
    if (!argument) continue;
    if (routes_[i].method == wanted)
      return {.route = &routes_[i], .argument = std::move(*argument), .problem = {}, .fields = {}};
    allowed.push_back(routes_[i].method);
    if (routes_[i].method == "GET") allowed.push_back("HEAD");
  }
  if (allowed.empty())
    return {.problem = {404,
                        "Not found",
                        "there is nothing at this path; /v1/openapi.json describes what there is",
                        {}}};
  const std::string list = fmt::format("{}", fmt::join(allowed, ", "));
  return {.problem = {405,
                      "Method not allowed",
                      fmt::format("{} is not for this path, expected one of: {}",
                                  shown(request.method, 20), list),
                      {}},
          .fields = {{"Allow", list}}};
}

std::optional<Problem> wrong_body(const Route& route, const Request& head) {
  if (route.takes == Takes::nothing) return std::nullopt;
  if (!head.content_length && !head.chunked)
    return Problem{411, "Length required", "a body must say its length", {}};
  const auto coding = head.header("Content-Encoding");
  if (!coding.empty() && coding != "identity")
    return Problem{415, "Unsupported media type", "expected a body without Content-Encoding", {}};
  const std::string type = media_type(head.header("Content-Type"));
  const bool patch = route.takes == Takes::merge_patch;
  if (type == "application/json" || (patch && type == "application/merge-patch+json"))
    return std::nullopt;
  return Problem{
      415,
      "Unsupported media type",
      fmt::format("the body is {}, expected {}", type.empty() ? "of no said type" : shown(type),
                  patch ? "application/merge-patch+json or application/json" : "application/json"),
      {}};
}

}  // namespace culvert::control
