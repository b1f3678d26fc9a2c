// Who used how much, when: totals and history, over restarts, faults and clocks that jump.
#include <random>

#include "tests/control/ledger_world.hpp"

using namespace culvert;
using namespace culvert::control;
using namespace culvert::control::test;

TEST_CASE("totals are what the counters say, and history adds up to them") {
  LedgerWorld world("2026-03-28 12:00");
  Peer& laptop = world.server.add("laptop", std::byte{1});
  Peer& phone = world.server.add("phone", std::byte{2});
  world.tick();
  for (int i = 0; i < 150; ++i) {
    world.use(laptop, 1000, 100);
    if (i % 2 == 0) world.use(phone, 10);
    world.run(1s);
  }
  const Usage total = world.ledger->total(laptop.slot);
  CHECK(total.up_bytes == 150'000);
  CHECK(total.down_bytes == 15'000);
  CHECK(total.up_payload == 75'000);
  CHECK(total == usage_of(world.server.counters_[laptop.slot]));
  CHECK(world.ledger->rates(laptop.slot).up > 7000);
  CHECK(world.ledger->rates(laptop.slot).up < 9000);

  auto rows = world.query({{}, {}, UsageBy::peer, "", ""});
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].key == "laptop");
  CHECK(rows[0].usage == total);
  CHECK(rows[1].usage.up_bytes == 750);
  rows = world.query({{}, {}, UsageBy::minute, "laptop", ""});
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].usage.up_bytes == 60'000);
  CHECK(rows[2].usage.up_bytes == 30'000);
  CHECK(rows[1].key == "2026-03-28T12:01:00Z");
  rows = world.query({{}, {}, UsageBy::day, "", ""});
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].usage.up_bytes == 150'750);
  world.run(30s);
  CHECK(world.ledger->rates(laptop.slot).up == 0);
}

TEST_CASE("a query's ends are met to the minute where minutes are kept") {
  LedgerWorld world("2026-03-27 23:30:00");
  Peer& laptop = world.server.add("laptop", std::byte{1});
  world.tick();
  for (int i = 0; i < 60 * 60 * 3; ++i) {
    world.use(laptop, 1);
    world.run(1s);
  }
  const auto since = *world.calendar().parse("2026-03-27 23:50:00");
  const auto until = *world.calendar().parse("2026-03-28 01:10:00");
  CHECK(world.bytes({since, until, UsageBy::peer, "", ""}) == 80 * 60);
  CHECK(world.bytes({since, {}, UsageBy::peer, "", ""}) == 160 * 60);
  CHECK(world.bytes({*world.calendar().parse("2026-03-27 23:00"), until, UsageBy::peer, "", ""}) ==
        100 * 60);
  CHECK(world.query({since, until, UsageBy::hour, "", ""}).size() == 3);
  CHECK_FALSE(world.ledger->query({until, since, UsageBy::peer, "", ""}));
}

TEST_CASE("a day of changed clocks is one day, and hours are local ones") {
  LedgerWorld world("2026-03-29 00:00", "Europe/Berlin");  // 02:00 becomes 03:00
  Peer& laptop = world.server.add("laptop", std::byte{1});
  world.tick();
  for (int i = 0; i < 24 * 60; ++i) {
    world.use(laptop, 1);
    world.wall += 60s;
    world.boot += 60s;
    world.tick();
  }
  const auto days = world.query({{}, {}, UsageBy::day, "", ""});
  REQUIRE(days.size() == 2);
  CHECK(days[0].usage.up_bytes == 23 * 60);
  CHECK(days[1].key == "2026-03-30T00:00:00+02:00");
  CHECK(world.query({{}, {}, UsageBy::hour, "", ""}).size() == 24);
}

TEST_CASE("a kill at any moment loses at most ten seconds and counts nothing twice") {
  LedgerWorld world("2026-01-31 23:58");
  Peer& laptop = world.server.add("laptop", std::byte{1});
  world.give_quota(laptop, 1'000'000'000, Quota::Period::month);
  std::mt19937 random(1);
  std::uint64_t sent = 0, lost_at_most = 0;
  for (int life = 0; life < 40; ++life) {
    world.tick();
    const auto seconds = 1 + random() % 25;
    for (unsigned i = 0; i < seconds; ++i) {
      world.use(laptop, 1000);
      sent += 1000;
      world.run(1s);
    }
    lost_at_most += 10 * 1000;
    world.kill();
    world.start_ledger();
  }
  world.tick();
  const std::uint64_t total = world.ledger->total(laptop.slot).up_bytes;
  CHECK(total <= sent);
  CHECK(total + lost_at_most >= sent);
  CHECK(total > sent / 3);
  CHECK(world.bytes({{}, {}, UsageBy::peer, "", ""}) == total);
  const auto days = world.query({{}, {}, UsageBy::day, "", ""});
  REQUIRE(days.size() == 2);
  CHECK(world.used(laptop) == days[1].usage.inner());
}

TEST_CASE("what is closed in order loses nothing") {
  LedgerWorld world("2026-03-28 12:00");
  Peer& laptop = world.server.add("laptop", std::byte{1});
  world.run(3s);
  world.use(laptop, 777);
  world.ledger->close(world.wall, world.boot);
  world.kill();
  world.start_ledger();
  world.tick();
  CHECK(world.ledger->total(laptop.slot).up_bytes == 777);
}

TEST_CASE("a peer is its key: a slot that another is given begins at nothing") {
  LedgerWorld world("2026-03-28 12:00");
  Peer& first = world.server.add("first", std::byte{1});
  world.tick();
  world.use(first, 5000);
  world.run(1s);
  world.use(first, 50);
  const std::uint32_t slot = first.slot;
  world.ledger->leave(slot);
  world.server.peers_.clear();
  world.clear(slot);
  world.run(7s);
  CHECK(world.ledger->total(slot) == Usage{});

  Peer& other = world.server.add("other", std::byte{9});
  REQUIRE(other.slot == slot);
  world.use(other, 20000);
  world.run(7s);
  CHECK(world.ledger->total(other.slot).up_bytes == 20000);

  world.server.peers_.clear();
  world.clear(slot);
  world.run(1s);
  world.use(world.server.add("first", std::byte{1}), 1);
  world.run(7s);
  CHECK(world.ledger->total(slot).up_bytes == 5051);
  CHECK(world.bytes({{}, {}, UsageBy::peer, "other", ""}) == 20000);
  CHECK(world.bytes({{}, {}, UsageBy::peer, "", ""}) == 25051);
}

TEST_CASE("a peer that is removed and added again at once is counted on") {
  LedgerWorld world("2026-03-28 12:00");
  Peer& peer = world.server.add("peer", std::byte{1});
  world.tick();
  world.use(peer, 5000);
  world.run(1s);
  world.clear(peer.slot);
  world.use(peer, 70);
  world.run(1s);
  CHECK(world.ledger->total(peer.slot).up_bytes == 5070);
}

TEST_CASE("groups have what their members used while they were members") {
  LedgerWorld world("2026-03-28 12:00");
  world.server.groups_.resize(2);
  world.server.groups_[0].name = "family";
  world.server.groups_[1].name = "guests";
  Peer& laptop = world.server.add("laptop", std::byte{1});
  Peer& phone = world.server.add("phone", std::byte{2});
  laptop.entry.group = "family";
  phone.entry.group = "guests";
  world.tick();
  world.use(laptop, 100);
  world.use(phone, 10);
  world.run(10s);
  phone.entry.group = "family";
  world.run(1s);
  world.use(phone, 1000);
  world.run(10s);
  const auto rows = world.query({{}, {}, UsageBy::group, "", ""});
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].key == "family");
  CHECK(rows[0].usage.up_bytes == 1100);
  CHECK(rows[1].usage.up_bytes == 10);
  CHECK(world.bytes({{}, {}, UsageBy::day, "", "family"}) == 1100);
  CHECK(world.bytes({{}, {}, UsageBy::peer, "", "family"}) == 1110);  // of its members of now
}

TEST_CASE("destinations are kept per day and client") {
  LedgerWorld world("2026-03-28 12:00");
  Peer& laptop = world.server.add("laptop", std::byte{1});
  world.tick();
  std::vector<Destination> rows(2);
  rows[0].address = *base::IpAddress::parse("192.0.2.1");
  rows[0].down = 500;
  rows[1].address = *base::IpAddress::parse("2001:db8::1");
  rows[1].up = 5;
  world.ledger->add_destinations(laptop.slot, rows);
  world.run(10s);
  world.ledger->add_destinations(laptop.slot, rows);
  const auto found = world.query({world.wall - 1h, {}, UsageBy::destination, "laptop", ""});
  REQUIRE(found.size() == 2);
  CHECK(found[0].key == "192.0.2.1");
  CHECK(found[0].usage.down_bytes == 1000);
  CHECK(world.query({world.wall - 1h, {}, UsageBy::destination, "phone", ""}).empty());
}

TEST_CASE("without a store everything works in memory, and old minutes become hours") {
  LedgerWorld world("2026-03-28 12:00", "UTC", false);
  world.settings.keep_minutes = 1h;
  world.start_ledger();
  Peer& laptop = world.server.add("laptop", std::byte{1});
  world.give_quota(laptop, 1000);
  world.tick();
  for (int i = 0; i < 5 * 60; ++i) {
    world.use(laptop, 1);
    world.wall += 60s;
    world.boot += 60s;
    world.tick();
  }
  CHECK(world.ledger->trouble().empty());
  CHECK(world.used(laptop) == 300);
  CHECK(world.query({{}, {}, UsageBy::minute, "", ""}).size() < 80);
  CHECK(world.bytes({{}, {}, UsageBy::hour, "", ""}) == 300);
  CHECK(world.bytes({{}, {}, UsageBy::peer, "", ""}) == 300);
}
