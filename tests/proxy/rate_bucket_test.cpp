#include "proxy/rate_bucket.hpp"

#include "proxy/policing.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using proxy::DatagramBucket;
using proxy::StreamBucket;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

namespace {

constexpr base::Time start{hours(1)};

// Takes whatever is there, every `step`.
std::int64_t drain(std::uint64_t rate, base::Duration step, base::Duration time) {
  StreamBucket bucket;
  bucket.refill(rate, start);
  bucket.take(std::size_t(bucket.tokens()));
  std::int64_t taken = 0;
  for (base::Time now = start; now < start + time; now += step) {
    bucket.refill(rate, now);
    taken += bucket.tokens();
    bucket.take(std::size_t(bucket.tokens()));
  }
  return taken;
}

}  // namespace

TEST_CASE("a bucket that is asked at odd times is exact to the byte after a day") {
  for (const std::uint64_t rate : {100'000u, 999'983u, 1'000'000'000u}) {
    const auto step = nanoseconds(7'919'333);
    const std::int64_t turns = nanoseconds(hours(24)) / step;  // the last one ends before the day
    const auto expected =
        std::int64_t((unsigned __int128)(step.count() * turns) * rate / 8'000'000'000u);
    CHECK(drain(rate, step, hours(24)) == expected);
  }
}

TEST_CASE("a bucket holds no more than its depth, however long it rested") {
  StreamBucket bucket;
  bucket.refill(8'000'000, start);
  bucket.take(40'000);
  bucket.refill(8'000'000, start + hours(5));
  CHECK(bucket.tokens() == 40'000);
}

TEST_CASE("a bucket says when it will have so much, to the nanosecond") {
  StreamBucket bucket;
  bucket.refill(1'000'000, start);
  bucket.take(5000);
  const base::Time ready = bucket.ready_at(1360);
  CHECK(ready == start + nanoseconds(10'880'000));
  bucket.refill(1'000'000, ready - nanoseconds(1));
  CHECK(bucket.tokens() == 1359);
  CHECK(bucket.ready_at(1360) == ready);
  bucket.refill(1'000'000, ready);
  CHECK(bucket.tokens() == 1360);
}

TEST_CASE("what is owed takes no longer to pay when the rate falls") {
  StreamBucket bucket;
  bucket.refill(1'000'000'000, start);
  bucket.take(5'000'000 + 12'500'000);  // 100 ms of debt
  bucket.refill(1'000'000, start + milliseconds(1));
  CHECK(bucket.ready_at(0) <= start + milliseconds(101));
  CHECK(bucket.ready_at(0) >= start + milliseconds(99));
}

TEST_CASE("a lower rate takes what was saved under the higher one") {
  StreamBucket bucket;
  bucket.refill(1'000'000'000, start);
  bucket.refill(1'000'000, start + milliseconds(1));
  CHECK(bucket.tokens() == 5000);
}

TEST_CASE("a full bucket lets a datagram pass that is larger than itself, and waits for it") {
  DatagramBucket bucket;
  REQUIRE(proxy::may_pass(bucket, 60'000, 1'000'000, start));  // 100 ms are 12,500 bytes
  bucket.take(60'000);
  CHECK_FALSE(proxy::may_pass(bucket, 100, 1'000'000, start + milliseconds(300)));
  CHECK(proxy::may_pass(bucket, 100, 1'000'000, start + milliseconds(400)));
  CHECK_FALSE(proxy::may_pass(bucket, 60'000, 1'000'000, start + milliseconds(400)));
  CHECK(proxy::may_pass(bucket, 60'000, 1'000'000, start + milliseconds(500)));
}
