#include "control/timestamp.hpp"

#include <fmt/format.h>

#include <chrono>

namespace culvert::control {
namespace {

struct Parts {
  int year;
  unsigned month, day;
  long hour, minute, second, millisecond;
};

Parts parts_of(base::WallTime when) {
  using namespace std::chrono;
  const auto midnight = floor<days>(when);
  const year_month_day date(midnight);
  const hh_mm_ss<milliseconds> time(floor<milliseconds>(when - midnight));
  return {int(date.year()),
          unsigned(date.month()),
          unsigned(date.day()),
          time.hours().count(),
          time.minutes().count(),
          long(time.seconds().count()),
          long(time.subseconds().count())};
}

}  // namespace

std::string timestamp(base::WallTime when) {
  const Parts p = parts_of(when);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", p.year, p.month, p.day, p.hour,
                     p.minute, p.second, p.millisecond);
}

std::string file_stamp(base::WallTime when) {
  const Parts p = parts_of(when);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}.{:03}Z", p.year, p.month, p.day, p.hour,
                     p.minute, p.second, p.millisecond);
}

}  // namespace culvert::control
