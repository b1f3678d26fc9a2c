#include "wg/rate_limiter.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/lossy_wire.hpp"

using namespace culvert;
using namespace std::chrono_literals;
using base::IpAddress;

namespace {
IpAddress ip(const char* text) {
  return *IpAddress::parse(text);
}
struct Fixture {
  test::SeededRandom random{3};
  base::Time now{100s};
};
}  // namespace

TEST_CASE("a host has a burst of five, then one each 50 ms", "[wg][limiter]") {
  Fixture f;
  wg::RateLimiter limiter(f.random);
  for (int i = 0; i < 5; ++i) CHECK(limiter.allow(ip("192.0.2.1"), f.now));
  CHECK_FALSE(limiter.allow(ip("192.0.2.1"), f.now));
  CHECK_FALSE(limiter.allow(ip("192.0.2.1"), f.now + 49ms));
  CHECK(limiter.allow(ip("192.0.2.1"), f.now + 50ms));
  CHECK_FALSE(limiter.allow(ip("192.0.2.1"), f.now + 51ms));
  CHECK(limiter.allow(ip("192.0.2.1"), f.now + 100ms));
  for (int i = 0; i < 5; ++i) CHECK(limiter.allow(ip("192.0.2.1"), f.now + 400ms));
  CHECK_FALSE(limiter.allow(ip("192.0.2.1"), f.now + 400ms));
}

TEST_CASE("a neighbour's address has its own bucket", "[wg][limiter]") {
  Fixture f;
  wg::RateLimiter limiter(f.random);
  for (int i = 0; i < 9; ++i) (void)limiter.allow(ip("192.0.2.1"), f.now);
  CHECK(limiter.allow(ip("192.0.2.2"), f.now));
}

TEST_CASE("all of an IPv6 /64 share a bucket and the next /64 does not", "[wg][limiter]") {
  Fixture f;
  wg::RateLimiter limiter(f.random);
  for (const char* host : {"2001:db8:0:1::1", "2001:db8:0:1::2",
                           "2001:db8:0:1:ffff::", "2001:db8:0:1:8000::9", "2001:db8:0:1::"})
    CHECK(limiter.allow(ip(host), f.now));
  CHECK_FALSE(limiter.allow(ip("2001:db8:0:1::77"), f.now));
  CHECK(limiter.allow(ip("2001:db8:0:2::1"), f.now));
}

TEST_CASE("an IPv4 address is not the IPv6 network of the same bits", "[wg][limiter]") {
  Fixture f;
  wg::RateLimiter limiter(f.random);
  for (int i = 0; i < 5; ++i) (void)limiter.allow(ip("0.0.0.1"), f.now);
  CHECK(limiter.allow(ip("0:0:0:1::"), f.now));
}

TEST_CASE("a full table refuses new hosts, keeps serving old ones, and empties", "[wg][limiter]") {
  Fixture f;
  wg::RateLimiter limiter(f.random, 1000);
  for (std::uint32_t i = 0; i < 1000; ++i) REQUIRE(limiter.allow(IpAddress::v4(i), f.now));
  CHECK_FALSE(limiter.allow(IpAddress::v4(5000), f.now));
  CHECK(limiter.allow(IpAddress::v4(7), f.now));
  CHECK(limiter.size() == 1000);
  CHECK(limiter.allow(IpAddress::v4(5000), f.now + 1s));  // the second's collection
  CHECK(limiter.size() == 1);
}

TEST_CASE("collection keeps the hosts that still owe", "[wg][limiter]") {
  Fixture f;
  wg::RateLimiter limiter(f.random);
  for (int i = 0; i < 5; ++i) (void)limiter.allow(ip("192.0.2.1"), f.now);
  (void)limiter.allow(ip("192.0.2.2"), f.now);
  limiter.collect(f.now + 60ms);
  CHECK(limiter.size() == 1);
  CHECK(limiter.allow(ip("192.0.2.1"), f.now + 60ms));
  CHECK_FALSE(limiter.allow(ip("192.0.2.1"), f.now + 60ms));
}

TEST_CASE("over ten seconds a flooding host gets 20 a second", "[wg][limiter]") {
  Fixture f;
  wg::RateLimiter limiter(f.random);
  int allowed = 0;
  for (int ms = 0; ms < 10'000; ++ms) allowed += limiter.allow(ip("192.0.2.1"), f.now + ms * 1ms);
  CHECK(allowed == 5 + 199);
}
