// Schedules and pauses of the DNS filter, hour by hour.
#include "control/dns_controls.hpp"

#include "tests/control/support/flow_source.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::control;
using namespace std::chrono_literals;

namespace {

struct World {
  World() {
    auto policy = std::make_shared<dns::Policy>();
    policy->schedules = {
        {.hours = "mon-fri 21:00-07:00", .lists = {}, .block = {}, .everything = true},
        {.hours = "12:00-13:00", .lists = {}, .block = {}, .everything = true}};
    for (const char* name : {"kid", "other", "adult"})
      server.add(name, name[0] == 'a' ? "" : "kids");
    server.peer(0).entry.policy.dns = policy;
    server.peer(1).entry.policy.dns = policy;
    server.groups_.emplace_back().name = "kids";
  }
  std::uint64_t bits(std::uint32_t slot) { return server.controls(slot).dns_schedules.get(); }
  std::uint64_t paused(std::uint32_t slot) { return server.controls(slot).dns_paused_until.get(); }
  void at(const char* time) { controls.tick(berlin, *berlin.parse(time)); }

  FlowSource server;
  DnsControls controls{server};
  Calendar berlin = std::move(*Calendar::open("Europe/Berlin"));
};

}  // namespace

TEST_CASE("a day of schedules in local time, minute by minute") {
  World world;
  const base::WallTime midnight = *world.berlin.parse("2026-11-16 00:00");  // a Monday
  for (int minute = 0; minute < 24 * 60; ++minute) {
    world.controls.tick(world.berlin, midnight + std::chrono::minutes(minute));
    // Monday's early hours belong to Sunday night, which is no school night.
    const bool night = minute >= 21 * 60, noon = minute >= 12 * 60 && minute < 13 * 60;
    INFO(minute);
    REQUIRE(world.bits(0) == (night ? 1u : 0u) + (noon ? 2u : 0u));
    REQUIRE(world.bits(1) == world.bits(0));
    REQUIRE(world.bits(2) == 0);
  }
  world.at("2026-11-17 06:59");
  CHECK(world.bits(0) == 1);
  world.at("2026-11-17 07:00");
  CHECK(world.bits(0) == 0);
}

TEST_CASE("another policy has other schedules at the next tick") {
  World world;
  world.at("2026-11-16 22:00");
  CHECK(world.bits(0) == 1);
  world.server.peer(0).entry.policy.dns = std::make_shared<dns::Policy>();
  world.at("2026-11-16 22:00");
  CHECK(world.bits(0) == 0);
  CHECK(world.bits(1) == 1);
}

TEST_CASE("a pause is of a peer, of a group or of everybody, and 0 ends it") {
  World world;
  const base::WallTime now(1'000'000s);
  CHECK(*world.controls.pause({.peer = "kid", .group = "", .duration = 60s}, now) == 1);
  CHECK(world.paused(0) == 1'000'060);
  CHECK(world.paused(1) == 0);
  CHECK(*world.controls.pause({.peer = "", .group = "kids", .duration = 600s}, now) == 2);
  CHECK(world.paused(1) == 1'000'600);
  CHECK(world.paused(2) == 0);
  CHECK(*world.controls.pause({.peer = "", .group = "", .duration = 5s}, now) == 3);
  CHECK(world.paused(2) == 1'000'005);
  CHECK(*world.controls.pause({}, now) == 3);
  CHECK(world.paused(0) == 0);
  CHECK(
      world.controls.pause({.peer = "nobody", .group = "", .duration = 5s}, now).problem().status ==
      404);
  CHECK(world.controls.pause({.peer = "", .group = "none", .duration = 5s}, now).problem().status ==
        404);
}

TEST_CASE("who comes while everybody pauses pauses too") {
  World world;
  const base::WallTime now(1'000'000s);
  REQUIRE(world.controls.pause({.peer = "", .group = "", .duration = 60s}, now));
  world.server.add("late");
  world.controls.enter(world.server.peer(3), world.berlin, now);
  CHECK(world.paused(3) == 1'000'060);
}
