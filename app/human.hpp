// Numbers, times and tables as people read them on a terminal. Used by the commands that show what
// the running server says; nothing here asks it.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"

namespace culvert::app::human {

std::string bytes(std::uint64_t count);             // "1.21 MiB", as wg shows it
std::string decimal(std::uint64_t count);           // "200 GB", as a quota is written
std::string rate(std::uint64_t bits);               // "1.50 Mbit/s"
std::string span(std::chrono::seconds time);        // "1 minute, 3 seconds", as wg shows it
std::string short_span(std::chrono::seconds time);  // "1m3s"
// A time of the API in this system's zone: "2026-12-01 00:00:00 +01:00"; "" if it is none.
std::string local_time(std::string_view rfc3339);
std::optional<base::WallTime> time(std::string_view rfc3339);
std::string moment(base::WallTime when);  // in the same form
std::string today(base::WallTime now);    // "2026-12-01" in this system's zone
// Control characters, C1 ones included, become '?': what came over a network is not for the
// terminal to act on.
std::string clean(std::string_view text);
std::size_t width(std::string_view text);                                  // characters of UTF-8
std::string padded(std::string_view text, std::size_t width, bool right);  // or cut

// Members of an object, whatever it holds: "" and 0 where there is no such thing.
std::string text_of(const nlohmann::json& object, const char* key);  // cleaned
std::uint64_t number_of(const nlohmann::json& object, const char* key);
const nlohmann::json& member(const nlohmann::json& object, const char* key);  // or null
std::string joined(const nlohmann::json& list);                               // "a, b"

// Columns as wide as their widest cell; numbers to the right.
class Table {
 public:
  struct Column {
    std::string title;
    bool right = false;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string to_string() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace culvert::app::human
