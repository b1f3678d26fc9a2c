#include "app/human.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "control/calendar.hpp"

namespace culvert::app::human {
namespace {

using nlohmann::json;

std::string scaled(std::uint64_t count, double step, const std::array<const char*, 5>& units) {
  double value = static_cast<double>(count);
  std::size_t unit = 0;
  while (value >= step && unit + 1 < units.size()) value /= step, ++unit;
  if (unit == 0) return fmt::format("{} {}", count, units[0]);
  return fmt::format("{:.2f} {}", value, units[unit]);
}

// Of the system's zone, or of UTC.
const control::Calendar& calendar(bool local) {
  static const auto here = control::Calendar::open(""), utc = control::Calendar::open("UTC");
  return local && here ? *here : *utc;
}

}  // namespace

std::string bytes(std::uint64_t count) {
  return scaled(count, 1024, {"B", "KiB", "MiB", "GiB", "TiB"});
}

std::string decimal(std::uint64_t count) {
  std::string text = scaled(count, 1000, {"B", "kB", "MB", "GB", "TB"});
  if (const auto zeros = text.find(".00"); zeros != std::string::npos) text.erase(zeros, 3);
  return text;
}

std::string rate(std::uint64_t bits) {
  return scaled(bits, 1000, {"bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"});
}

std::string span(std::chrono::seconds time) {
  constexpr std::pair<std::int64_t, const char*> units[] = {
      {365 * 86400, "year"}, {86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
  std::int64_t left = std::max<std::int64_t>(time.count(), 0);
  std::string text;
  for (const auto& [size, name] : units) {
    const std::int64_t count = left / size;
    left %= size;
    if (count == 0) continue;
    text += fmt::format("{}{} {}{}", text.empty() ? "" : ", ", count, name, count == 1 ? "" : "s");
  }
  return text.empty() ? "0 seconds" : text;
}

std::string short_span(std::chrono::seconds time) {
  const std::int64_t all = std::max<std::int64_t>(time.count(), 0);
  if (all >= 86400) return fmt::format("{}d{}h", all / 86400, all % 86400 / 3600);
  if (all >= 3600) return fmt::format("{}h{}m", all / 3600, all % 3600 / 60);
  if (all >= 60) return fmt::format("{}m{}s", all / 60, all % 60);
  return fmt::format("{}s", all);
}

std::optional<base::WallTime> time(std::string_view rfc3339) {
  // A date alone would be read as its end.
  if (rfc3339.size() < 19) return {};
  return calendar(false).parse(rfc3339);
}

std::string local_time(std::string_view rfc3339) {
  const auto when = time(rfc3339);
  if (!when) return {};
  return moment(*when);
}

std::string moment(base::WallTime when) {
  std::string text = calendar(true).to_string(when);
  text[10] = ' ';
  if (text.ends_with('Z')) text.replace(text.size() - 1, 1, "+00:00");
  return text.insert(19, " ");
}

std::string today(base::WallTime now) {
  return calendar(true).to_string(now).substr(0, 10);
}

std::string clean(std::string_view text) {
  std::string out(text);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto byte = static_cast<unsigned char>(out[i]);
    const bool c1 = byte == 0xc2 && i + 1 < out.size() &&
                    static_cast<unsigned char>(out[i + 1]) >= 0x80 &&
                    static_cast<unsigned char>(out[i + 1]) < 0xa0;
    if (c1) out.erase(i, 1);
    if (c1 || byte < 0x20 || byte == 0x7f) out[i] = '?';
  }
  return out;
}

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string padded(std::string_view text, std::size_t wanted, bool right) {
  std::string out(text);
  while (width(out) > wanted) {
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xc0) == 0x80) out.pop_back();
    if (!out.empty()) out.pop_back();
  }
  const std::string space(wanted - width(out), ' ');
  return right ? space + out : out + space;
}

const json& member(const json& object, const char* key) {
  static const json none;
  if (!object.is_object()) return none;
  const auto found = object.find(key);
  return found == object.end() ? none : *found;
}

std::string text_of(const json& object, const char* key) {
  const json& value = member(object, key);
  return value.is_string() ? clean(value.get_ref<const std::string&>()) : std::string();
}

std::uint64_t number_of(const json& object, const char* key) {
  const json& value = member(object, key);
  if (value.is_number_unsigned()) return value.get<std::uint64_t>();
  return value.is_number_integer() && value.get<std::int64_t>() > 0 ? value.get<std::uint64_t>()
                                                                    : 0;
}

std::string joined(const json& list) {
  std::string text;
  for (const json& item : list)
    if (item.is_string())
      text += (text.empty() ? "" : ", ") + clean(item.get_ref<const std::string&>());
  return text;
}

std::string Table::to_string() const {
  std::vector<std::size_t> widths;
  for (const Column& column : columns_) widths.push_back(width(column.title));
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  std::string text;
  const auto line = [&](const auto& cell) {
    std::string made;
    for (std::size_t i = 0; i < columns_.size(); ++i)
      made += (i == 0 ? "" : "  ") + padded(cell(i), widths[i], columns_[i].right);
    made.erase(made.find_last_not_of(' ') + 1);
    text += made + "\n";
  };
  line([&](std::size_t i) { return columns_[i].title; });
  for (const auto& row : rows_) line([&](std::size_t i) { return row[i]; });
  return text;
}

}  // namespace culvert::app::human
