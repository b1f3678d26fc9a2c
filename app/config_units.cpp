#include "app/config_units.hpp"

#include <array>
#include <charconv>
#include <string>

#include "app/config_node.hpp"

namespace culvert::app {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::uint64_t limit = std::uint64_t{1}
                                << 62;  // far above anything meant, far from overflow

// "1.5gb": digits, optionally a fraction, then one of `units`. Cuts what it read off `text`.
template <std::size_t N>
std::optional<std::uint64_t> take_amount(std::string_view& text, const std::array<Unit, N>& units) {
  double number = 0;
  const char* end = text.data() + text.size();
  if (text.empty() || text[0] < '0' || text[0] > '9') return {};
  const auto [next, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc{}) return {};
  std::string_view rest = trim({next, static_cast<std::size_t>(end - next)});
  const std::size_t letters =
      std::min(rest.find_first_not_of("abcdefghijklmnopqrstuvwxyz"), rest.size());
  for (const Unit& unit : units) {
    if (unit.name != rest.substr(0, letters)) continue;
    const double value = number * static_cast<double>(unit.factor);
    if (value > static_cast<double>(limit)) return {};
    text = rest.substr(letters);
    return static_cast<std::uint64_t>(value + 0.5);
  }
  return {};
}

constexpr std::array<Unit, 11> size_units{{{"", 1},
                                           {"b", 1},
                                           {"kb", 1000},
                                           {"mb", 1000'000},
                                           {"gb", 1000'000'000},
                                           {"tb", 1000'000'000'000},
                                           {"kib", 1ull << 10},
                                           {"mib", 1ull << 20},
                                           {"gib", 1ull << 30},
                                           {"tib", 1ull << 40},
                                           {"bytes", 1}}};
constexpr std::array<Unit, 4> rate_units{
    {{"bit", 1}, {"kbit", 1000}, {"mbit", 1000'000}, {"gbit", 1000'000'000}}};
constexpr std::array<Unit, 4> time_units{{{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}}};

}  // namespace

std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
  const std::string small = lower(trim(text));
  std::string_view rest = small;
  std::uint64_t seconds = 0;
  if (rest.empty()) return {};
  if (rest.find_first_not_of("0123456789") == std::string_view::npos) {
    const auto [next, error] = std::from_chars(rest.data(), rest.data() + rest.size(), seconds);
    if (error != std::errc{} || seconds > limit) return {};
    return std::chrono::seconds(seconds);
  }
  while (!rest.empty()) {
    const auto part = take_amount(rest, time_units);
    if (!part || (seconds += *part) > limit) return {};
  }
  return std::chrono::seconds(seconds);
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const std::string small = lower(trim(text));
  std::string_view rest = small;
  const auto bytes = take_amount(rest, size_units);
  return rest.empty() ? bytes : std::nullopt;
}

std::optional<std::uint64_t> parse_rate(std::string_view text) {
  const std::string small = lower(trim(text));
  std::string_view rest = small;
  const auto bits = take_amount(rest, rate_units);
  if (rest == "/s") rest = {};
  return rest.empty() ? bits : std::nullopt;
}

std::optional<Quota> parse_quota(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {};
  const auto bytes = parse_size(text.substr(0, slash));
  const std::string period = lower(trim(text.substr(slash + 1)));
  if (!bytes) return {};
  if (period == "day") return Quota{*bytes, Quota::Period::day};
  if (period == "week") return Quota{*bytes, Quota::Period::week};
  if (period == "month") return Quota{*bytes, Quota::Period::month};
  return {};
}

}  // namespace culvert::app
