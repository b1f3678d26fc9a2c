#include "control/hours.hpp"

#include <algorithm>
#include <array>

namespace culvert::control {
namespace {

constexpr unsigned minutes_of_day = 24 * 60;
constexpr std::size_t longest_text = 512;
constexpr std::array<std::string_view, 7> day_names{"mon", "tue", "wed", "thu",
                                                    "fri", "sat", "sun"};

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Days of a week from Monday, both included; last < first passes the week's end.
struct Days {
  unsigned first = 0, last = 6;
};

// Minutes of a day; last <= first passes midnight.
struct Times {
  unsigned first = 0, last = minutes_of_day;
};

std::optional<unsigned> parse_day(std::string_view text) {
  const auto same = [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b + 32 : b); };
  for (unsigned day = 0; day < day_names.size(); ++day)
    if (std::ranges::equal(day_names[day], text, same)) return day;
  return {};
}

std::optional<Days> parse_days(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = parse_day(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_day(text.substr(dash + 1));
  if (!first || !last) return {};
  return Days{*first, *last};
}

// "8:00", "08:00" or "24:00"
std::optional<unsigned> parse_time(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == 0 || colon > 2 || text.size() != colon + 3) return {};
  unsigned number[2] = {0, 0};
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == colon) continue;
    if (text[i] < '0' || text[i] > '9') return {};
    unsigned& part = number[i > colon];
    part = part * 10 + static_cast<unsigned>(text[i] - '0');
  }
  const unsigned minute = number[0] * 60 + number[1];
  if (number[1] > 59 || minute > minutes_of_day) return {};
  return minute;
}

std::optional<Times> parse_times(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return {};
  const auto first = parse_time(text.substr(0, dash)), last = parse_time(text.substr(dash + 1));
  // Equal ends would mean nothing or everything: say 00:00-24:00.
  if (!first || !last || *first == *last || *first == minutes_of_day) return {};
  return Times{*first, *last};
}

}  // namespace

std::optional<Hours> Hours::parse(std::string_view text) {
  Hours hours;
  hours.text_ = trim(text);
  if (hours.text_.empty() || text.size() > longest_text) return {};
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t comma = std::min(text.find(',', from), text.size());
    const std::string_view part = trim(text.substr(from, comma - from));
    from = comma + 1;
    const bool names_days = !part.empty() && (part[0] < '0' || part[0] > '9');
    const std::size_t space = std::min(names_days ? part.find_first_of(" \t") : 0, part.size());
    const std::string_view rest = trim(part.substr(space));
    const auto days = names_days ? parse_days(part.substr(0, space)) : Days{};
    const auto times = names_days && rest.empty() ? Times{} : parse_times(rest);
    if (!days || !times) return {};
    const unsigned length = (times->last > times->first ? 0 : minutes_of_day) + times->last;
    for (unsigned day = days->first;; day = (day + 1) % 7) {
      hours.windows_.push_back(
          {day * minutes_of_day + times->first, day * minutes_of_day + length});
      if (day == days->last) break;
    }
  }
  return hours;
}

bool Hours::allow(unsigned minute) const noexcept {
  if (empty()) return true;
  return std::ranges::any_of(windows_, [minute](const Window& window) {
    return (minute >= window.first && minute < window.last) ||
           minute + minutes_of_week < window.last;
  });
}

std::string Hours::to_string() const {
  return text_;
}

}  // namespace culvert::control
