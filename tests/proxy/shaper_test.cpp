#include "proxy/shaper.hpp"

#include "tests/proxy/shaper_world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

struct Fixture {
  base::Time now{hours(1)};
  Worker worker{now};
};

double bits(std::size_t bytes) {
  return double(bytes) * 8;
}

}  // namespace

TEST_CASE("every rate from 100 kbit/s to 1 Gbit/s holds within a percent, after the burst") {
  for (const double rate : {1e5, 1e6, 1e7, 1e8, 1e9}) {
    Fixture f;
    LimitedClient client(f.now, 4);
    client.controls.down.set(std::uint64_t(rate));
    f.worker.join(client);
    run(f.now, f.worker, seconds(1));
    const std::size_t before = client.moved();
    run(f.now, f.worker, seconds(20));
    INFO("rate " << rate);
    CHECK(bits(client.moved() - before) == Approx(rate * 20).epsilon(0.01));
  }
}

TEST_CASE("turns that come 20 ms late lose nothing of the rate") {
  for (const double rate : {1e6, 1e9}) {
    Fixture f;
    LimitedClient client(f.now, 2);
    client.controls.down.set(std::uint64_t(rate));
    f.worker.join(client);
    run(f.now, f.worker, seconds(1), ms(20));
    const std::size_t before = client.moved();
    const base::Time start = f.now;
    run(f.now, f.worker, seconds(10), ms(20));
    const double time = std::chrono::duration<double>(f.now - start).count();
    INFO("rate " << rate);
    CHECK(bits(client.moved() - before) / time == Approx(rate).epsilon(0.02));
  }
}

TEST_CASE("a day at 100 kbit/s is exact to the segment") {
  Fixture f;
  LimitedClient client(f.now, 1);
  client.controls.down.set(100'000);
  f.worker.join(client);
  run(f.now, f.worker, hours(24));
  const double wanted = 1e5 * 86400;
  CHECK(bits(client.moved()) >= wanted - bits(2 * 1360));
  CHECK(bits(client.moved()) <= wanted + 1e5 * 0.25);  // and the burst of the start
}

TEST_CASE("the burst after a rest is at most 50 ms of the rate") {
  Fixture f;
  LimitedClient client(f.now, 1);
  client.controls.down.set(100'000'000);
  f.worker.join(client);
  run(f.now, f.worker, seconds(1));
  client.flows[0].leave();
  f.now += minutes(10);
  const std::size_t before = client.moved();
  f.worker.join(client);
  run(f.now, f.worker, ms(0));
  CHECK(bits(client.moved() - before) <= 100e6 * 0.050);
}

TEST_CASE("at 1 Mbit/s none of eight flows waits 200 ms, and they share alike") {
  Fixture f;
  LimitedClient client(f.now, 8);
  client.controls.down.set(1'000'000);
  f.worker.join(client);
  run(f.now, f.worker, seconds(60));
  for (const Stream& flow : client.flows) CHECK(flow.longest_gap < ms(200));
  CHECK(jain(client) > 0.99);
}

TEST_CASE("flows with little to move leave what they do not need to the others") {
  Fixture f;
  LimitedClient client(f.now, 3);
  client.controls.down.set(8'000'000);
  client.flows[0].waiting = 10'000;
  f.worker.join(client);
  run(f.now, f.worker, seconds(10));
  CHECK(client.flows[0].moved == 10'000);
  CHECK_FALSE(client.flows[0].waits());
  CHECK(bits(client.moved()) == Approx(80e6).epsilon(0.01));
  CHECK(double(client.flows[1].moved) == Approx(double(client.flows[2].moved)).epsilon(0.01));
}

TEST_CASE("a changed limit holds within a second, up, down and away") {
  Fixture f;
  LimitedClient client(f.now, 2);
  const auto rate_over = [&](base::Duration time) {
    const std::size_t before = client.moved();
    run(f.now, f.worker, time);
    return bits(client.moved() - before) / std::chrono::duration<double>(time).count();
  };
  client.controls.down.set(2000);  // a segment takes 5 s
  f.worker.join(client);
  run(f.now, f.worker, seconds(10));
  client.controls.down.set(10'000'000);
  run(f.now, f.worker, ms(500));
  CHECK(rate_over(seconds(1)) == Approx(10e6).epsilon(0.03));
  client.controls.down.set(1'000'000);
  run(f.now, f.worker, ms(500));
  CHECK(rate_over(seconds(1)) == Approx(1e6).epsilon(0.03));
  client.controls.down.set(0);
  run(f.now, f.worker, ms(500));
  CHECK(rate_over(ms(10)) > 1e9);
}

TEST_CASE("beyond its ceiling a client has the rate for that, unless its own is lower") {
  Fixture f;
  LimitedClient client(f.now, 1);
  client.controls.down.set(10'000'000);
  client.controls.ceiling.set(1'000'000);
  client.controls.over_down.set(1'000'000);
  f.worker.join(client);
  run(f.now, f.worker, seconds(1));
  CHECK(bits(client.moved()) == Approx(10e6).epsilon(0.05));
  client.counters.down_bytes.set(600'000), client.counters.up_bytes.set(400'000);
  run(f.now, f.worker, seconds(1));
  const std::size_t before = client.moved();
  run(f.now, f.worker, seconds(5));
  CHECK(bits(client.moved() - before) == Approx(5e6).epsilon(0.02));
  client.controls.over_down.set(100'000'000);
  run(f.now, f.worker, seconds(1));
  const std::size_t faster = client.moved();
  run(f.now, f.worker, seconds(5));
  CHECK(bits(client.moved() - faster) == Approx(50e6).epsilon(0.02));
}

TEST_CASE("a limited client wakes the worker no more often than is worth it") {
  Fixture f;
  LimitedClient client(f.now, 8);
  client.controls.down.set(1'000'000'000);
  f.worker.join(client);
  CHECK(run(f.now, f.worker, seconds(1)) < 1000);
  client.controls.down.set(1'000'000);
  run(f.now, f.worker, seconds(1));
  CHECK(run(f.now, f.worker, seconds(1)) < 200);
  for (Stream& flow : client.flows) flow.leave();
  run(f.now, f.worker, seconds(1));
  CHECK(f.worker.shaper.next_deadline() == base::never);
}

TEST_CASE("fifty flows of one client get what one flow of another gets, a bounded lot per turn") {
  Fixture f;
  LimitedClient many(f.now, 50), one(f.now, 1), limited(f.now, 8);
  limited.controls.down.set(1'000'000);
  for (LimitedClient* client : {&many, &one, &limited}) f.worker.join(*client);
  for (int i = 0; i < 200; ++i) {
    const std::size_t before = many.moved() + one.moved();
    f.worker.shaper.serve(Shaper::Ring::down, f.now);
    CHECK(many.moved() + one.moved() - before <= Shaper::turn_bytes + (64 << 10));
    CHECK(f.worker.shaper.is_backlogged());
    f.now += ms(1);
  }
  CHECK(double(many.moved()) == Approx(double(one.moved())).epsilon(0.01));
  CHECK(jain(many) > 0.95);
  CHECK(bits(limited.moved()) == Approx(1e6 * 0.24).epsilon(0.1));  // 200 ms and the burst
}

TEST_CASE("a flow or a client that goes while it waits is waited for no more") {
  Fixture f;
  {
    LimitedClient client(f.now, 2);
    client.controls.down.set(1'000'000);
    f.worker.join(client);
    run(f.now, f.worker, seconds(1));
    client.flows.pop_back();
    run(f.now, f.worker, seconds(1));
    CHECK(f.worker.shaper.next_deadline() != base::never);
  }
  CHECK(f.worker.shaper.next_deadline() == base::never);
  run(f.now, f.worker, seconds(1));
}

TEST_CASE("datagrams pass at the rate, with at most 100 ms of burst") {
  for (const double rate : {1e6, 1e8}) {
    Fixture f;
    LimitedClient client(f.now, 0);
    client.controls.down.set(std::uint64_t(rate));
    std::size_t passed = 0;
    const auto flood = [&](base::Duration time) {
      passed = 0;
      const base::Time end = f.now + time;
      do {
        while (f.worker.shaper.pass(client.lane, 1200, f.now)) passed += 1200;
        f.now += std::chrono::microseconds(50);
      } while (f.now < end);
    };
    flood(base::Duration(1));
    INFO("rate " << rate);
    CHECK(bits(passed) <= rate * 0.1);
    CHECK(bits(passed) > rate * 0.1 - bits(1200));
    flood(seconds(10));
    CHECK(bits(passed) == Approx(rate * 10).epsilon(0.01));
  }
}

TEST_CASE("datagrams beyond the rate leave half of it to streams; a few take no more than theirs") {
  Fixture f;
  LimitedClient client(f.now, 4);
  client.controls.down.set(10'000'000);
  f.worker.join(client);
  std::size_t passed = 0;
  const auto go_on = [&](base::Duration time, base::Duration between) {
    passed = 0;
    for (const base::Time end = f.now + time; f.now < end;) {
      if (f.worker.shaper.pass(client.lane, 1000, f.now)) passed += 1000;
      run(f.now, f.worker, between);
    }
  };
  go_on(seconds(1), ms(1) / 4);
  std::size_t before = client.moved();
  go_on(seconds(10), ms(1) / 4);  // 32 Mbit/s are offered
  CHECK(bits(passed) == Approx(50e6).epsilon(0.03));
  CHECK(bits(client.moved() - before) == Approx(50e6).epsilon(0.03));
  before = client.moved();
  go_on(seconds(10), ms(4));  // 2 Mbit/s: none is dropped
  CHECK(bits(passed) == Approx(20e6).epsilon(0.01));
  CHECK(bits(client.moved() - before) == Approx(80e6).epsilon(0.03));
}
