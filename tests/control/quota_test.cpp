// Where a worker has to stop, as PeerControls and GroupControls say it.
#include "tests/control/ledger_world.hpp"

using namespace culvert;
using namespace culvert::control;
using namespace culvert::control::test;

namespace {

std::uint64_t stop_of(LedgerWorld& world, const Peer& peer) {
  CHECK(static_cast<std::uint64_t>(world.ledger->stop(peer.slot)) ==
        world.controls(peer).stop.get());
  return world.controls(peer).stop.get();
}

constexpr auto no_stop = static_cast<std::uint64_t>(base::Stop::none);
constexpr auto quota_stop = static_cast<std::uint64_t>(base::Stop::quota);

std::uint64_t counter_of(LedgerWorld& world, const Peer& peer) {
  const base::PeerCounters& counters = world.server.counters_[peer.slot];
  return counters.up_bytes.get() + counters.down_bytes.get();
}

}  // namespace

TEST_CASE("the ceiling is the very byte at which the quota ends, over restarts") {
  LedgerWorld world("2026-03-28 12:00");
  Peer& laptop = world.server.add("laptop", std::byte{1});
  world.give_quota(laptop, 100'000);
  world.tick();
  CHECK(world.controls(laptop).ceiling.get() == 100'000);
  world.use(laptop, 20'000, 10'000);
  world.run(6s);
  CHECK(world.controls(laptop).ceiling.get() == 100'000);
  world.kill();
  world.start_ledger();
  world.use(laptop, 500);  // before the first tick of the new run
  world.run(1s);
  CHECK(world.used(laptop) == 30'500);
  CHECK(world.controls(laptop).ceiling.get() == 70'000);
  CHECK(stop_of(world, laptop) == no_stop);
  const base::PeerControls& page = world.controls(laptop);
  CHECK(page.quota_bytes.get() == 100'000);
  CHECK(page.used_before.get() + counter_of(world, laptop) - page.counted_at.get() == 30'500);
  CHECK(base::WallTime(std::chrono::seconds(page.resets_at.get())) ==
        *world.calendar().parse("2026-03-29 00:00:00"));

  world.use(laptop, 69'500);
  world.run(1s);
  CHECK(stop_of(world, laptop) == quota_stop);
  CHECK(world.ledger->quota(laptop.slot)->reached());
  world.run(6s);
  world.kill();
  world.start_ledger();
  world.run(1s);
  CHECK(stop_of(world, laptop) == quota_stop);
  CHECK(world.controls(laptop).ceiling.get() != 0);
}

TEST_CASE("a quota begins anew at midnight of the zone, at once") {
  LedgerWorld world("2026-03-28 23:59:50", "Europe/Berlin");
  Peer& laptop = world.server.add("laptop", std::byte{1});
  world.give_quota(laptop, 1000);
  world.tick();
  world.use(laptop, 1500);
  world.run(1s);
  CHECK(stop_of(world, laptop) == quota_stop);
  CHECK(world.controls(laptop).utc_offset.get() == 3600);
  world.run(8s);
  CHECK(stop_of(world, laptop) == quota_stop);
  world.run(1s);
  CHECK(stop_of(world, laptop) == no_stop);
  CHECK(world.used(laptop) == 0);
  CHECK(world.controls(laptop).ceiling.get() == counter_of(world, laptop) + 1000);
  CHECK(world.controls(laptop).utc_offset.get() == 7200);  // the clocks change in this day
}

TEST_CASE("a month that resets on the 31st does so on the last day of a short one") {
  LedgerWorld world("2026-02-27 23:59:58");
  Peer& laptop = world.server.add("laptop", std::byte{1});
  world.give_quota(laptop, 1000, Quota::Period::month).reset_day = 31;
  world.tick();
  world.use(laptop, 400);
  world.run(1s);
  CHECK(world.used(laptop) == 400);
  world.run(1s);
  CHECK(world.used(laptop) == 0);
  CHECK(world.ledger->quota(laptop.slot)->resets == *world.calendar().parse("2026-03-31 00:00:00"));
}

TEST_CASE("over its quota a client is slowed where rates are given for that") {
  LedgerWorld world("2026-03-28 12:00");
  Peer& laptop = world.server.add("laptop", std::byte{1});
  Quota& quota = world.give_quota(laptop, 1000);
  quota.over_down = 64'000;
  world.tick();
  world.use(laptop, 2000);
  world.run(1s);
  CHECK(stop_of(world, laptop) == no_stop);
  CHECK(world.controls(laptop).over_down.get() == 64'000);
  CHECK(world.controls(laptop).ceiling.get() <= 2000);
  CHECK(world.controls(laptop).ceiling.get() > 0);
}

TEST_CASE("a quota that is changed holds a second later, one that goes is gone") {
  LedgerWorld world("2026-03-28 12:00");
  Peer& laptop = world.server.add("laptop", std::byte{1});
  world.give_quota(laptop, 1000);
  world.tick();
  world.use(laptop, 1200);
  world.run(20s);
  CHECK(stop_of(world, laptop) == quota_stop);
  laptop.entry.policy.quota->bytes = 5000;
  world.run(1s);
  CHECK(stop_of(world, laptop) == no_stop);
  CHECK(world.controls(laptop).ceiling.get() == 5000);
  laptop.entry.policy.quota.reset();
  world.run(1s);
  CHECK(world.controls(laptop).ceiling.get() == 0);
  CHECK(world.controls(laptop).quota_bytes.get() == 0);
  CHECK_FALSE(world.ledger->quota(laptop.slot));
}

TEST_CASE("a quota that is new knows what was used before in its period") {
  LedgerWorld world("2026-03-27 23:59:00");
  Peer& laptop = world.server.add("laptop", std::byte{1});
  world.tick();
  world.use(laptop, 100'000);
  world.run(120s);
  world.use(laptop, 300);
  world.run(3s);  // in the store or not: it counts
  world.use(laptop, 20);
  world.run(1s);
  world.give_quota(laptop, 1000);
  world.run(1s);
  CHECK(world.used(laptop) == 320);
  laptop.entry.policy.quota->period = Quota::Period::month;
  world.run(1s);
  CHECK(world.used(laptop) == 100'320);
  CHECK(stop_of(world, laptop) == quota_stop);
}

TEST_CASE("a wall clock that jumps neither multiplies nor forgets what was used") {
  LedgerWorld world("2026-03-28 12:00");
  Peer& laptop = world.server.add("laptop", std::byte{1});
  world.give_quota(laptop, 1'000'000);
  world.tick();
  std::uint64_t sent = 0;
  const auto send = [&](std::uint64_t bytes) {
    world.use(laptop, bytes);
    sent += bytes;
    world.run(3s);
  };
  send(100);
  world.wall += 24h;
  world.run(1s);
  send(10);
  CHECK(world.used(laptop) == 10);
  world.wall -= 24h;
  world.run(1s);
  send(1000);
  CHECK(world.used(laptop) == 1100);
  world.wall -= 24h;
  world.run(1s);
  send(1);
  CHECK(world.used(laptop) == 1);
  world.run(10s);
  world.kill();
  world.start_ledger();
  world.run(1s);
  CHECK(world.used(laptop) == 1);
  world.wall += 24h;
  world.run(1s);
  CHECK(world.used(laptop) == 1100);
  world.wall += 24h;
  world.run(1s);
  CHECK(world.used(laptop) == 10);
  CHECK(world.ledger->total(laptop.slot).up_bytes == sent);
  CHECK(world.bytes({{}, {}, UsageBy::peer, "", ""}) == sent);
}

TEST_CASE("a leap of the clock into the future does not prune history") {
  LedgerWorld world("2026-03-28 12:00");
  Peer& laptop = world.server.add("laptop", std::byte{1});
  world.tick();
  world.use(laptop, 100);
  world.run(10s);
  world.wall += 24h * 366 * 8;
  world.run(15min);
  world.wall -= 24h * 366 * 8;
  world.run(1s);
  CHECK(world.bytes({{}, {}, UsageBy::minute, "", ""}) == 100);
}

TEST_CASE("a group's quota stops all its members, and the page shows the nearer one") {
  LedgerWorld world("2026-03-28 12:00");
  world.server.groups_.resize(1);
  world.server.groups_[0].name = "family";
  world.server.groups_[0].total_quota = Quota{10'000, Quota::Period::day, 1, 0, 0};
  Peer& laptop = world.server.add("laptop", std::byte{1});
  Peer& phone = world.server.add("phone", std::byte{2});
  laptop.entry.group = phone.entry.group = "family";
  world.give_quota(laptop, 9000);
  base::GroupControls& controls = world.server.group_controls_[0];
  world.tick();
  CHECK(controls.ceiling.get() == 10'000);
  CHECK(world.controls(laptop).quota_bytes.get() == 9000);
  CHECK(world.controls(phone).quota_bytes.get() == 10'000);
  CHECK(world.controls(phone).ceiling.get() == 0);

  world.use(phone, 4000);
  controls.used += 4000;
  world.run(1s);
  CHECK(controls.ceiling.get() == 10'000);
  CHECK(world.controls(laptop).quota_bytes.get() == 10'000);
  CHECK(world.controls(laptop).used_before.get() == 4000);
  CHECK(world.ledger->group_quota("family")->used == 4000);
  world.run(6s);
  world.kill();
  world.start_ledger();
  base::GroupControls& anew = world.server.group_controls_[0];
  world.run(1s);
  CHECK(anew.ceiling.get() == 6000);
  anew.used += 6000;
  world.run(1s);
  CHECK(stop_of(world, laptop) == quota_stop);
  CHECK(stop_of(world, phone) == quota_stop);
  CHECK_FALSE(world.ledger->group_quota("nobody"));
}

TEST_CASE("a date, the hours and a refused admission stop a client") {
  LedgerWorld world("2026-03-27 07:59:58");  // a Friday
  Peer& laptop = world.server.add("laptop", std::byte{1});
  laptop.entry.policy.hours = *Hours::parse("mon-fri 08:00-20:00");
  laptop.entry.policy.expires = *world.calendar().parse("2026-03-27 20:00:05");
  world.run(1s);
  CHECK(stop_of(world, laptop) == static_cast<std::uint64_t>(base::Stop::hours));
  world.run(1s);
  CHECK(stop_of(world, laptop) == no_stop);
  world.ledger->set_admitted(laptop.slot, false);
  world.run(1s);
  CHECK(stop_of(world, laptop) == static_cast<std::uint64_t>(base::Stop::admission));
  world.ledger->set_admitted(laptop.slot, true);
  world.at("2026-03-27 20:00:00");
  world.run(1s);
  CHECK(stop_of(world, laptop) == static_cast<std::uint64_t>(base::Stop::hours));
  world.run(5s);
  CHECK(stop_of(world, laptop) == static_cast<std::uint64_t>(base::Stop::expired));
}

TEST_CASE("a quota is told of at 80 % and when it is reached, once in a period") {
  LedgerWorld world("2026-03-28 12:00");
  Peer& laptop = world.server.add("laptop", std::byte{1});
  world.give_quota(laptop, 1000);
  world.tick();
  world.use(laptop, 799);
  world.run(1s);
  CHECK(world.events.empty());
  world.use(laptop, 1);
  world.run(10s);
  REQUIRE(world.events.size() == 1);
  CHECK(world.events[0].peer == "laptop");
  CHECK(world.events[0].to_json().find("\"percent\":80") != std::string::npos);
  world.use(laptop, 200);
  world.run(10s);
  REQUIRE(world.events.size() == 2);
  CHECK(world.events[1].to_json().find("\"percent\":100") != std::string::npos);
  world.kill();
  world.start_ledger();
  world.run(10s);
  CHECK(world.events.size() == 2);
}

TEST_CASE("a burst of denials is told of once a minute") {
  LedgerWorld world("2026-03-28 12:00");
  Peer& laptop = world.server.add("laptop", std::byte{1});
  world.tick();
  const auto deny = [&](int seconds, std::uint64_t each) {
    for (int i = 0; i < seconds; ++i) {
      world.server.counters_[laptop.slot].denied.add(each);
      world.run(1s);
    }
  };
  deny(60, 5);
  CHECK(world.count_events(EventKind::denied_burst) == 0);
  deny(30, 50);
  CHECK(world.count_events(EventKind::denied_burst) == 1);
  deny(40, 50);
  CHECK(world.count_events(EventKind::denied_burst) == 2);
}
