#include "app/config_units.hpp"

#include "tests/support/catch.hpp"

using namespace culvert::app;

TEST_CASE("durations, sizes, rates and quotas are read as people write them") {
  CHECK(parse_duration("2h4m") == std::chrono::seconds(7440));
  CHECK(parse_duration("120") == std::chrono::seconds(120));
  CHECK(!parse_duration("2h4"));
  CHECK(!parse_duration("-1s"));
  CHECK(parse_size("256KiB") == 262144u);
  CHECK(parse_size("1.5GB") == 1'500'000'000u);
  CHECK(!parse_size("1 parsec"));
  CHECK(!parse_size("99999999999999999999TB"));
  CHECK(parse_rate("50mbit") == 50'000'000u);
  CHECK(!parse_rate("50MB"));
  CHECK(parse_quota("200GB/month")->bytes == 200'000'000'000u);
  CHECK(!parse_quota("200GB/year"));
}
