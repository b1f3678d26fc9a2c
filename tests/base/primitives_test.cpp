// Token bucket, SipHash, secrets, counters.
#include <array>

#include "base/counters.hpp"
#include "base/random.hpp"
#include "base/secret.hpp"
#include "base/siphash.hpp"
#include "base/token_bucket.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::base;
using namespace std::chrono_literals;

TEST_CASE("a token bucket gives its burst, then its rate, and loses nothing to rounding") {
  Time now{};
  TokenBucket bucket(3, 5, now);  // a rate that does not divide a second
  int taken = 0;
  while (bucket.try_take(1, now)) ++taken;
  CHECK(taken == 5);
  for (int i = 0; i < 100'000; ++i) {
    now += 1ms;
    if (bucket.try_take(1, now)) ++taken;
  }
  CHECK(taken == 5 + 300);
}

TEST_CASE("a token bucket does not overflow after a year") {
  Time now{};
  TokenBucket bucket(10'000'000'000, 1'000'000, now);
  CHECK(bucket.try_take(1'000'000, now));
  now += 24h * 365;
  CHECK(bucket.available(now) == 1'000'000);
}

TEST_CASE("a clock that goes back earns nothing") {
  Time now{1h};
  TokenBucket bucket(10, 1, now);
  CHECK(bucket.try_take(1, now));
  CHECK_FALSE(bucket.try_take(1, now - 10s));
}

TEST_CASE("SipHash-2-4 gives the values of its paper") {
  // Key 00..0f, message 00..0e: appendix A.
  const SipKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::array<std::byte, 15> message;
  for (std::size_t i = 0; i < message.size(); ++i) message[i] = std::byte(i);
  CHECK(siphash(key, message) == 0xa129ca6149be45e5);
}

TEST_CASE("a moved-from secret is zero") {
  std::array<std::byte, 4> bytes{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  Secret<4> a(bytes);
  Secret<4> b = std::move(a);
  CHECK(a.is_zero());
  CHECK(b == Secret<4>(bytes));
  b.clear();
  CHECK(b.is_zero());
}

TEST_CASE("constant-time comparison compares") {
  const std::array<std::byte, 2> a{std::byte{1}, std::byte{2}}, b{std::byte{1}, std::byte{3}};
  CHECK(equal_constant_time(a, a));
  CHECK_FALSE(equal_constant_time(a, b));
  CHECK_FALSE(equal_constant_time(a, Bytes(a).first(1)));
}

TEST_CASE("every drop reason has a name of its own") {
  CHECK(to_string(Drop::bad_type) == "bad_type");
  CHECK(to_string(Drop::over_allowance) == "over_allowance");
  DropCounters drops;
  drops.add(Drop::replayed, 3);
  drops.add(Drop::no_flow);
  CHECK(drops.get(Drop::replayed) == 3);
  CHECK(drops.total() == 4);
}

TEST_CASE("below() stays below and reaches every value") {
  SystemRandom random;
  std::array<int, 5> seen{};
  for (int i = 0; i < 1000; ++i) ++seen[random.below(5)];
  for (int count : seen) CHECK(count > 100);
}
