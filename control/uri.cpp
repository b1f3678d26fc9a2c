#include "control/uri.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace culvert::control {
namespace {

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The bytes a UTF-8 sequence has by its first, and the smallest code point so many may stand for;
// 0 if no sequence begins so (RFC 3629).
std::pair<std::size_t, char32_t> sequence(unsigned char first) noexcept {
  if (first < 0x80) return {1, 0};
  if (first >= 0xc2 && first < 0xe0) return {2, 0x80};
  if (first >= 0xe0 && first < 0xf0) return {3, 0x800};
  if (first >= 0xf0 && first < 0xf5) return {4, 0x10000};
  return {0, 0};
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const auto [size, smallest] = sequence(first);
    if (size == 0 || i + size > text.size()) return false;
    char32_t point = size == 1 ? first : first & (0xffu >> (size + 1));
    for (std::size_t k = 1; k < size; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3f);
    }
    if (point < smallest || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
    i += size;
  }
  return true;
}

std::string url_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain)
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::optional<std::string> url_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = char(high * 16 + low);
      i += 2;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::nullopt;
    out += c;
  }
  if (!is_utf8(out)) return std::nullopt;
  return out;
}

std::optional<std::vector<std::string>> path_segments(std::string_view path) {
  if (path.empty() || path.front() != '/') return std::nullopt;
  std::vector<std::string> segments;
  for (std::size_t at = 1; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    auto segment = url_decode(path.substr(at, end - at));
    if (!segment) return std::nullopt;
    segments.push_back(std::move(*segment));
    at = end + 1;
  }
  return segments;
}

Problem bad_query(std::string_view name, std::string detail) {
  return {400,
          "Bad query",
          "a parameter of the query is wrong",
          {{std::string(name), std::move(detail)}}};
}

Outcome<Query> Query::parse(std::string_view text, const std::vector<std::string_view>& known) {
  Query query;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('&', at), text.size());
    const std::string_view pair = text.substr(at, end - at);
    at = end + 1;
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const auto name = url_decode(pair.substr(0, equals));
    const auto value = url_decode(pair.substr(std::min(equals + 1, pair.size())));
    if (!name || !value)
      return bad_query(shown(pair.substr(0, equals)),
                       "expected UTF-8 without control characters, percent-encoded");
    if (std::ranges::find(known, *name) == known.end())
      return bad_query(shown(*name),
                       known.empty()
                           ? std::string("there is no such parameter, this takes none")
                           : fmt::format("there is no such parameter, expected one of: {}",
                                         fmt::join(known, ", ")));
    if (query.get(*name)) return bad_query(*name, "is given twice");
    query.values_.emplace_back(*name, *value);
  }
  return query;
}

std::optional<std::string> Query::get(std::string_view name) const {
  for (const auto& [key, value] : values_)
    if (key == name) return value;
  return std::nullopt;
}

std::string shown(std::string_view text, std::size_t most) {
  std::string out(text.substr(0, most));
  for (char& c : out)
    if (c < 0x20 || c > 0x7e) c = '?';
  if (text.size() > most) out += "...";
  return out;
}

}  // namespace culvert::control
