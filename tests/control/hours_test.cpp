#include "control/hours.hpp"

#include "tests/support/catch.hpp"

using culvert::control::Hours;

namespace {

constexpr unsigned day = 24 * 60;
enum : unsigned { mon, tue, wed, thu, fri, sat, sun };

constexpr unsigned at(unsigned weekday, unsigned hour, unsigned minute = 0) {
  return weekday * day + hour * 60 + minute;
}

Hours hours(const char* text) {
  const auto parsed = Hours::parse(text);
  INFO(text);
  REQUIRE(parsed);
  return *parsed;
}

}  // namespace

TEST_CASE("no hours allow every minute of the week") {
  CHECK(Hours().empty());
  CHECK(Hours().allow(0));
  CHECK(Hours().allow(Hours::minutes_of_week - 1));
}

TEST_CASE("hours hold from their first minute to before their last") {
  const Hours office = hours("mon-fri 08:00-20:00, sat 10:00-14:00");
  CHECK_FALSE(office.allow(at(mon, 7, 59)));
  CHECK(office.allow(at(mon, 8)));
  CHECK(office.allow(at(fri, 19, 59)));
  CHECK_FALSE(office.allow(at(fri, 20)));
  CHECK(office.allow(at(sat, 13, 59)));
  CHECK_FALSE(office.allow(at(sat, 8)));
  CHECK_FALSE(office.allow(at(sun, 12)));
}

TEST_CASE("hours over midnight go on in the next day") {
  const Hours night = hours("22:00-06:00");
  CHECK(night.allow(at(mon, 22)));
  CHECK(night.allow(at(tue, 5, 59)));
  CHECK_FALSE(night.allow(at(tue, 6)));
  CHECK_FALSE(night.allow(at(wed, 12)));
  const Hours friday = hours("fri 22:00-06:00");
  CHECK(friday.allow(at(sat, 5)));
  CHECK_FALSE(friday.allow(at(fri, 5)));
  CHECK_FALSE(friday.allow(at(sat, 22)));
}

TEST_CASE("hours over the week's end go on on Monday") {
  const Hours sunday = hours("sun 23:00-02:00");
  CHECK(sunday.allow(at(sun, 23)));
  CHECK(sunday.allow(at(mon, 1, 59)));
  CHECK_FALSE(sunday.allow(at(mon, 2)));
  CHECK_FALSE(sunday.allow(at(tue, 1)));
  const Hours days = hours("sat-mon 10:00-11:00");
  CHECK(days.allow(at(sat, 10)));
  CHECK(days.allow(at(sun, 10)));
  CHECK(days.allow(at(mon, 10)));
  CHECK_FALSE(days.allow(at(tue, 10)));
}

TEST_CASE("a day without times is a whole one") {
  const Hours weekend = hours("Sat-Sun");
  CHECK(weekend.allow(at(sat, 0)));
  CHECK(weekend.allow(Hours::minutes_of_week - 1));
  CHECK_FALSE(weekend.allow(at(mon, 0)));
  CHECK_FALSE(weekend.allow(at(fri, 23, 59)));
  CHECK(hours("00:00-24:00").allow(at(thu, 3)));
}

TEST_CASE("hours are shown as they were written") {
  CHECK(hours("  mon 8:00-9:00,tue\t22:00-24:00 ").to_string() == "mon 8:00-9:00,tue\t22:00-24:00");
}

TEST_CASE("hours that mean nothing are refused") {
  for (const char* bad : {"",
                          " ",
                          ",",
                          "mon,",
                          "8-20",
                          "08:00",
                          "08:00-08:00",
                          "24:00-08:00",
                          "08:00-24:01",
                          "25:00-26:00",
                          "08:60-09:00",
                          "mon-fri 08:00",
                          "mon-",
                          "-fri",
                          "monday",
                          "mon tue 1:00-2:00",
                          "mon-fri-sun",
                          "08:00-20:00 mon",
                          "008:00-9:00",
                          "8:0-9:0",
                          "mon 08:00-20:00;",
                          "\x01",
                          "08:00-20:00,,09:00-10:00"}) {
    INFO(bad);
    CHECK_FALSE(Hours::parse(bad));
  }
  CHECK_FALSE(Hours::parse("mon" + std::string(600, ' ')));
}
