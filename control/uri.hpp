// The parts of a request target (RFC 3986): path segments and query parameters, percent-decoded.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/outcome.hpp"

namespace culvert::control {

// For a path segment or a value of a query: everything but unreserved characters is %XX.
std::string url_encode(std::string_view text);
// UTF-8 without control characters, or nothing. '+' is itself.
std::optional<std::string> url_decode(std::string_view text);
bool is_utf8(std::string_view text) noexcept;

// "/v1/peers/a%2Fb" as {"v1", "peers", "a/b"}; nothing if a segment cannot be decoded.
std::optional<std::vector<std::string>> path_segments(std::string_view path);

class Query {
 public:
  // A parameter that is not in `known`, comes twice or cannot be decoded is a problem that names
  // it.
  static Outcome<Query> parse(std::string_view text, const std::vector<std::string_view>& known);

  // Nothing if it is not there.
  std::optional<std::string> get(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

Problem bad_query(std::string_view name, std::string detail);

// Untrusted text for a sentence: at most `most` bytes, what is not printable ASCII as '?'.
std::string shown(std::string_view text, std::size_t most = 64);

}  // namespace culvert::control
