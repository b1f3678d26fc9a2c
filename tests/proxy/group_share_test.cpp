// A group's bandwidth, shared by members on one worker and on several.
#include "proxy/group_share.hpp"

#include "tests/proxy/shaper_world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
using std::chrono::hours;
using std::chrono::seconds;

namespace {

double bits(std::size_t bytes) {
  return double(bytes) * 8;
}

struct Fixture {
  base::Time now{hours(1)};
  std::array<base::GroupControls, 2> groups;
  Worker first{now, groups}, second{now, groups};

  void enter(Worker& worker, LimitedClient& client, std::uint64_t group = 1) {
    client.controls.group.set(group);
    worker.join(client);
  }
};

}  // namespace

TEST_CASE("members on two workers have the group's rate together, and share it") {
  for (const double rate : {1e6, 1e7, 1e8, 1e9}) {
    Fixture f;
    f.groups[0].down.set(std::uint64_t(rate));
    LimitedClient here(f.now, 3), there(f.now, 1);
    f.enter(f.first, here), f.enter(f.second, there);
    run(f.now, {&f.first, &f.second}, seconds(1));
    const std::size_t here_before = here.moved(), there_before = there.moved();
    run(f.now, {&f.first, &f.second}, seconds(20));
    const double a = bits(here.moved() - here_before), b = bits(there.moved() - there_before);
    INFO("rate " << rate);
    CHECK(a + b == Approx(rate * 20).epsilon(0.01));
    CHECK(jain({a, b}) > 0.9);
  }
}

TEST_CASE("a day of a group is exact") {
  Fixture f;
  f.groups[1].down.set(100'000);
  LimitedClient here(f.now, 1), there(f.now, 1);
  f.enter(f.first, here, 2), f.enter(f.second, there, 2);
  run(f.now, {&f.first, &f.second}, hours(24));
  CHECK(bits(here.moved() + there.moved()) == Approx(1e5 * 86400).epsilon(1e-5));
}

TEST_CASE("members on one worker share alike, whatever the number of their flows") {
  for (const double rate : {1e6, 1e8}) {
    Fixture f;
    f.groups[0].down.set(std::uint64_t(rate));
    LimitedClient many(f.now, 20), one(f.now, 1), two(f.now, 2);
    for (LimitedClient* client : {&many, &one, &two}) f.enter(f.first, *client);
    run(f.now, f.first, seconds(30));
    INFO("rate " << rate);
    CHECK(jain({double(many.moved()), double(one.moved()), double(two.moved())}) > 0.99);
  }
}

TEST_CASE("a member's own limit holds inside the group's, and the others have the rest") {
  Fixture f;
  f.groups[0].down.set(10'000'000);
  LimitedClient slow(f.now, 2), fast(f.now, 1);
  slow.controls.down.set(1'000'000);
  f.enter(f.first, slow), f.enter(f.first, fast);
  run(f.now, f.first, seconds(20));
  CHECK(bits(slow.moved()) == Approx(20e6).epsilon(0.02));
  CHECK(bits(fast.moved()) == Approx(180e6).epsilon(0.02));
}

TEST_CASE("a group's changed limit holds within a second") {
  Fixture f;
  f.groups[0].down.set(5000);
  LimitedClient client(f.now, 1);
  f.enter(f.first, client);
  run(f.now, f.first, seconds(10));
  f.groups[0].down.set(10'000'000);
  run(f.now, f.first, seconds(1));
  const std::size_t before = client.moved();
  run(f.now, f.first, seconds(1));
  CHECK(bits(client.moved() - before) == Approx(10e6).epsilon(0.03));
}

TEST_CASE("a group beyond its ceiling has the rate for that") {
  Fixture f;
  f.groups[0].ceiling.set(5000);
  f.groups[0].over_down.set(1'000'000);
  f.groups[0].used.store(5000);
  LimitedClient client(f.now, 1);
  f.enter(f.first, client);
  run(f.now, f.first, seconds(10));
  CHECK(bits(client.moved()) == Approx(10e6).epsilon(0.02));
}

TEST_CASE("a flood of datagrams on one worker leaves streams on another their part") {
  Fixture f;
  f.groups[0].down.set(10'000'000);
  LimitedClient flooding(f.now, 0), loading(f.now, 1);
  flooding.controls.group.set(1);
  f.enter(f.second, loading);
  std::size_t passed = 0;
  for (const base::Time end = f.now + seconds(20); f.now < end;) {
    if (f.first.shaper.pass(flooding.lane, 1000, f.now)) passed += 1000;
    run(f.now, {&f.first, &f.second}, std::chrono::microseconds(200));
  }
  CHECK(bits(passed + loading.moved()) == Approx(200e6).epsilon(0.02));
  CHECK(bits(passed) > 50e6);
  CHECK(bits(loading.moved()) > 50e6);
  CHECK(loading.flows[0].longest_gap < ms(200));
}
