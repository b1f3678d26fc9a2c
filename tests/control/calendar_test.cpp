// Local calendars: the days when clocks change, months of any length, weeks that start anywhere.
#include "control/calendar.hpp"

#include <cstdlib>

#include "tests/support/catch.hpp"

using namespace culvert::control;
using culvert::base::WallTime;
using namespace std::chrono_literals;

namespace {

Calendar in(const char* zone) {
  auto opened = Calendar::open(zone);
  INFO(zone);
  REQUIRE(opened);
  return std::move(*opened);
}

WallTime utc(const char* text) {
  const auto when = in("UTC").parse(text);
  INFO(text);
  REQUIRE(when);
  return *when;
}

Quota monthly(unsigned reset_day) {
  return {.bytes = 1, .period = Quota::Period::month, .reset_day = reset_day};
}

Quota weekly(unsigned reset_day) {
  return {.bytes = 1, .period = Quota::Period::week, .reset_day = reset_day};
}

std::string shown(const Calendar& calendar, const Calendar::Span& span) {
  return calendar.to_string(span.start) + " " + calendar.to_string(span.end);
}

}  // namespace

TEST_CASE("an unknown zone is a problem that names it") {
  const auto opened = Calendar::open("Europe/Atlantis");
  REQUIRE_FALSE(opened);
  CHECK(opened.problem().fields.at(0).field == "time_zone");
  CHECK(opened.problem().to_line().find("Europe/Atlantis") != std::string::npos);
  CHECK_FALSE(Calendar::open("../../etc/passwd"));
  CHECK(in("UTC").zone() == "UTC");
}

TEST_CASE("the system's zone is what TZ names") {
  const char* set = std::getenv("TZ");
  const std::string before = set == nullptr ? "" : set;
  ::setenv("TZ", "Asia/Kathmandu", 1);
  const auto calendar = in("");
  set == nullptr ? ::unsetenv("TZ") : ::setenv("TZ", before.c_str(), 1);
  CHECK(calendar.zone() == "Asia/Kathmandu");
  CHECK(calendar.utc_offset(utc("2026-01-01 00:00")) == 5h + 45min);
}

TEST_CASE("a day on which clocks change has 23 or 25 hours and is one day") {
  const Calendar berlin = in("Europe/Berlin");
  const auto spring = berlin.day(utc("2026-03-29 12:00"));
  CHECK(spring.end - spring.start == 23h);
  CHECK(shown(berlin, spring) == "2026-03-29T00:00:00+01:00 2026-03-30T00:00:00+02:00");
  const auto autumn = berlin.day(utc("2026-10-25 00:30"));
  CHECK(autumn.end - autumn.start == 25h);
  CHECK(berlin.day(autumn.end).start == autumn.end);
  CHECK(berlin.day(autumn.end - 1ns).start == autumn.start);
}

TEST_CASE("a day without a midnight starts when clocks change") {
  const Calendar beirut = in("Asia/Beirut");  // 2022-03-27 00:00 became 01:00
  const auto day = beirut.day(utc("2022-03-27 12:00"));
  CHECK(shown(beirut, day) == "2022-03-27T01:00:00+03:00 2022-03-28T00:00:00+03:00");
  CHECK(beirut.day(day.start - 1ns).end == day.start);
}

TEST_CASE("when clocks go back over midnight the new day has begun already") {
  const Calendar saint_johns = in("America/St_Johns");  // 2010-11-07 00:01 became 2010-11-06 23:01
  const WallTime again = utc("2010-11-07 02:45");       // 23:15 for the second time
  const auto day = saint_johns.day(again);
  CHECK(day.start <= again);
  CHECK(again < day.end);
  CHECK(shown(saint_johns, day) == "2010-11-07T00:00:00-02:30 2010-11-08T00:00:00-03:30");
}

TEST_CASE("a month with reset day 31 ends on its last day where it is shorter") {
  const Calendar calendar = in("UTC");
  CHECK(shown(calendar, calendar.period(monthly(31), utc("2026-02-10 00:00"))) ==
        "2026-01-31T00:00:00Z 2026-02-28T00:00:00Z");
  CHECK(shown(calendar, calendar.period(monthly(31), utc("2026-02-28 00:00"))) ==
        "2026-02-28T00:00:00Z 2026-03-31T00:00:00Z");
  CHECK(shown(calendar, calendar.period(monthly(31), utc("2028-02-29 23:59"))) ==
        "2028-02-29T00:00:00Z 2028-03-31T00:00:00Z");
  CHECK(shown(calendar, calendar.period(monthly(30), utc("2026-12-31 23:59:59"))) ==
        "2026-12-30T00:00:00Z 2027-01-30T00:00:00Z");
  CHECK(shown(calendar, calendar.period(monthly(1), utc("2026-12-31 23:59:59"))) ==
        "2026-12-01T00:00:00Z 2027-01-01T00:00:00Z");
}

TEST_CASE("periods follow each other without a gap, in every zone and with every reset day") {
  for (const char* zone : {"UTC", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia",
                           "America/St_Johns", "Australia/Lord_Howe"}) {
    const Calendar calendar = in(zone);
    for (unsigned reset_day = 1; reset_day <= 31; reset_day += 3) {
      const Quota quotas[] = {monthly(reset_day), weekly(reset_day % 7 + 1)};
      for (const Quota& quota : quotas) {
        WallTime now = utc("2009-01-01 00:00");
        for (int i = 0; i < 40; ++i) {
          const auto span = calendar.period(quota, now);
          INFO(zone << " " << reset_day << " " << shown(calendar, span));
          REQUIRE(span.start <= now);
          REQUIRE(now < span.end);
          const auto last = calendar.period(quota, span.end - 1ns);
          REQUIRE(last.start == span.start);
          REQUIRE(calendar.period(quota, span.end).start == span.end);
          now = span.end;
        }
      }
    }
  }
}

TEST_CASE("a week starts on its reset day") {
  const Calendar calendar = in("Europe/Berlin");
  const WallTime wednesday = utc("2026-11-18 12:00");
  CHECK(calendar.to_string(calendar.period(weekly(1), wednesday).start) ==
        "2026-11-16T00:00:00+01:00");
  CHECK(calendar.to_string(calendar.period(weekly(3), wednesday).start) ==
        "2026-11-18T00:00:00+01:00");
  CHECK(calendar.to_string(calendar.period(weekly(4), wednesday).start) ==
        "2026-11-12T00:00:00+01:00");
  CHECK(calendar.to_string(calendar.period(weekly(7), wednesday).start) ==
        "2026-11-15T00:00:00+01:00");
}

TEST_CASE("the minute of the week is the local one") {
  CHECK(in("UTC").minute_of_week(utc("2026-11-16 00:00")) == 0);
  CHECK(in("UTC").minute_of_week(utc("2026-11-15 23:59:59")) == Hours::minutes_of_week - 1);
  CHECK(in("Asia/Tokyo").minute_of_week(utc("2026-11-15 15:01")) == 1);
  CHECK(in("America/New_York").minute_of_week(utc("2026-11-16 00:00")) ==
        Hours::minutes_of_week - 5 * 60);
}

TEST_CASE("dates and times are read in the zone, or with the offset they bring") {
  const Calendar berlin = in("Europe/Berlin");
  const auto read = [&](const char* text) {
    const auto when = berlin.parse(text);
    return when ? in("UTC").to_string(*when) : std::string("refused");
  };
  CHECK(read("2026-12-31") == "2026-12-31T23:00:00Z");  // its end
  CHECK(read("2026-12-31 18:00") == "2026-12-31T17:00:00Z");
  CHECK(read("2026-07-01T18:00:30") == "2026-07-01T16:00:30Z");
  CHECK(read("2026-07-01T18:00:30.999Z") == "2026-07-01T18:00:30Z");
  CHECK(read("2026-07-01 18:00:00-03:30") == "2026-07-01T21:30:00Z");
  CHECK(read("2026-03-29 02:30") == "2026-03-29T01:00:00Z");  // skipped: the moment of the change
  CHECK(read("2026-10-25 02:30") == "2026-10-25T00:30:00Z");  // comes twice: the first
  for (const char* bad :
       {"", "2026", "2026-13-01", "2026-02-29", "2026-1-1", "1969-12-31", "2300-01-01",
        "2026-12-31x", "2026-12-31 ", "2026-12-31 24:00", "2026-12-31 18", "2026-12-31 18:60",
        "2026-12-31 18:00:", "2026-12-31 18:00:00.", "2026-12-31T18:00+1:00",
        "2026-12-31T18:00+24:00", "2026-12-31T18:00Zx", "31.12.2026", "tomorrow"}) {
    INFO(bad);
    CHECK_FALSE(berlin.parse(bad));
  }
}

TEST_CASE("instants are shown as RFC 3339 with the zone's offset") {
  CHECK(in("America/St_Johns").to_string(utc("2026-01-01 00:00")) == "2025-12-31T20:30:00-03:30");
  CHECK(in("UTC").to_string(utc("2026-01-01 00:00")) == "2026-01-01T00:00:00Z");
}
