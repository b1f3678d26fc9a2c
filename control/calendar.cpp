// Local times are turned into instants with choose::earliest: of a time that comes twice the first,
// and for one that is skipped the moment of the change.
#include "control/calendar.hpp"

#include <date/date.h>
#include <date/tz.h>
#include <fmt/format.h>

#include <cstdlib>
#include <stdexcept>

namespace culvert::control {

using std::chrono::seconds;

namespace {

// WallTime's nanoseconds end in 2262.
constexpr int first_year = 1970, last_year = 2261;

const date::time_zone* find_zone(const std::string& name) {
  try {
    return date::locate_zone(name);
  } catch (const std::exception&) {
    return nullptr;
  }
}

// $TZ if it names a zone, as every program of the system has it; then /etc/localtime.
const date::time_zone* system_zone() {
  if (const char* name = std::getenv("TZ"); name != nullptr && *name != '\0') {
    if (*name == ':') ++name;
    if (const auto* zone = find_zone(name)) return zone;
  }
  try {
    return date::current_zone();
  } catch (const std::exception&) {
    return nullptr;
  }
}

// The day of the month when a month's quota starts anew.
date::local_days reset_in(const date::year_month& month, unsigned reset_day) {
  const date::year_month_day_last last{month.year(), date::month_day_last{month.month()}};
  const unsigned day = std::min(std::max(reset_day, 1u), static_cast<unsigned>(last.day()));
  return date::local_days{month / static_cast<int>(day)};
}

// Cuts `digits` digits and the `after` behind them off `text`; 0 = nothing has to follow.
std::optional<unsigned> take(std::string_view& text, std::size_t digits, char after) {
  if (text.size() < digits + (after != '\0')) return {};
  unsigned value = 0;
  for (const char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return {};
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  if (after != '\0' && text[digits] != after) return {};
  text.remove_prefix(digits + (after != '\0'));
  return value;
}

std::optional<date::local_days> take_date(std::string_view& text) {
  const auto year = take(text, 4, '-'), month = take(text, 2, '-'), day = take(text, 2, '\0');
  if (!year || !month || !day) return {};
  const date::year_month_day made{date::year(static_cast<int>(*year)), date::month(*month),
                                  date::day(*day)};
  if (!made.ok() || *year < first_year || *year > last_year) return {};
  return date::local_days{made};
}

// "18:00", "18:00:00" or "18:00:00.25"; a fraction is cut.
std::optional<seconds> take_time(std::string_view& text) {
  const auto hour = take(text, 2, ':'), minute = take(text, 2, '\0');
  if (!hour || !minute || *hour > 23 || *minute > 59) return {};
  std::optional<unsigned> second = 0;
  if (text.starts_with(':')) {
    text.remove_prefix(1);
    second = take(text, 2, '\0');
    if (!second || *second > 60) return {};
    if (text.starts_with('.')) {
      const std::size_t end = std::min(text.find_first_not_of("0123456789", 1), text.size());
      if (end == 1) return {};
      text.remove_prefix(end);
    }
  }
  return seconds(*hour * 3600 + *minute * 60 + *second);
}

// "Z", "+01:00", "-03:30"
std::optional<seconds> take_offset(std::string_view& text) {
  const char sign = text[0];
  text.remove_prefix(1);
  if (sign == 'Z' || sign == 'z') return seconds(0);
  const auto hour = take(text, 2, ':'), minute = take(text, 2, '\0');
  if ((sign != '+' && sign != '-') || !hour || !minute || *hour > 23 || *minute > 59) return {};
  const seconds offset(*hour * 3600 + *minute * 60);
  return sign == '-' ? -offset : offset;
}

}  // namespace

struct Calendar::Impl {
  const date::time_zone* zone = nullptr;  // null = UTC on a system without time zone data
  std::string name = "UTC";

  seconds offset(base::WallTime when) const {
    return zone == nullptr ? seconds(0) : zone->get_info(date::floor<seconds>(when)).offset;
  }

  date::local_seconds local(base::WallTime when) const {
    return date::local_seconds(date::floor<seconds>(when).time_since_epoch() + offset(when));
  }

  base::WallTime instant(date::local_seconds when) const {
    if (zone == nullptr) return date::sys_seconds(when.time_since_epoch());
    return zone->to_sys(when, date::choose::earliest);
  }

  Span span(date::local_days first, date::local_days end) const {
    return {instant(first), instant(end)};
  }

  Span period_of(const Quota& quota, date::local_days today) const {
    if (quota.period == Quota::Period::day) return span(today, today + date::days(1));
    if (quota.period == Quota::Period::week) {
      const unsigned weekday = date::weekday(today).iso_encoding();
      const auto first = today - date::days((weekday + 7 - quota.reset_day % 7) % 7);
      return span(first, first + date::days(7));
    }
    const date::year_month_day day(today);
    date::year_month month(day.year(), day.month());
    if (reset_in(month, quota.reset_day) > today) month -= date::months(1);
    return span(reset_in(month, quota.reset_day),
                reset_in(month + date::months(1), quota.reset_day));
  }
};

Outcome<Calendar> Calendar::open(const std::string& zone) {
  auto impl = std::make_unique<Impl>();
  impl->zone = zone.empty() ? system_zone() : find_zone(zone);
  if (impl->zone != nullptr)
    impl->name = impl->zone->name();
  else if (!zone.empty() && zone != "UTC")
    return Problem{400,
                   "Unknown time zone",
                   {},
                   {{"time_zone", "\"" + zone.substr(0, 60) +
                                      "\" is not in this system's time zone database, expected an "
                                      "IANA name such as \"Europe/Berlin\" or \"UTC\""}}};
  return Calendar(std::move(impl));
}

Calendar::Calendar(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Calendar::Calendar(Calendar&&) noexcept = default;
Calendar& Calendar::operator=(Calendar&&) noexcept = default;
Calendar::~Calendar() = default;

const std::string& Calendar::zone() const noexcept {
  return impl_->name;
}

Calendar::Span Calendar::period(const Quota& quota, base::WallTime now) const {
  const auto today = date::floor<date::days>(impl_->local(now));
  const Span found = impl_->period_of(quota, today);
  // Clocks that go back over midnight make the old day come again when the new one has begun.
  return now < found.end ? found : impl_->period_of(quota, today + date::days(1));
}

Calendar::Span Calendar::day(base::WallTime now) const {
  return period({.period = Quota::Period::day}, now);
}

unsigned Calendar::minute_of_week(base::WallTime now) const {
  const auto local = impl_->local(now);
  const auto today = date::floor<date::days>(local);
  const auto minute = std::chrono::duration_cast<std::chrono::minutes>(local - today).count();
  return (date::weekday(today).iso_encoding() - 1) * 24 * 60 + static_cast<unsigned>(minute);
}

seconds Calendar::utc_offset(base::WallTime when) const {
  return impl_->offset(when);
}

std::optional<base::WallTime> Calendar::parse(std::string_view text) const {
  const auto day = take_date(text);
  if (!day) return {};
  if (text.empty()) return impl_->instant(*day + date::days(1));
  if (text[0] != ' ' && text[0] != 'T' && text[0] != 't') return {};
  text.remove_prefix(1);
  const auto time = take_time(text);
  if (!time) return {};
  const date::local_seconds local = *day + *time;
  if (text.empty()) return impl_->instant(local);
  const auto offset = take_offset(text);
  if (!offset || !text.empty()) return {};
  return date::sys_seconds(local.time_since_epoch() - *offset);
}

std::string Calendar::to_string(base::WallTime when) const {
  const auto offset = std::chrono::duration_cast<std::chrono::minutes>(impl_->offset(when)).count();
  const std::string local = date::format("%FT%T", impl_->local(when));
  if (offset == 0) return local + "Z";
  const auto size = offset < 0 ? -offset : offset;
  return fmt::format("{}{}{:02}:{:02}", local, offset < 0 ? '-' : '+', size / 60, size % 60);
}

}  // namespace culvert::control
