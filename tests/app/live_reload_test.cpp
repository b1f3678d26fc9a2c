// What wg's own tools and a reload change of the running server.
#include "tests/app/live_world.hpp"

using namespace culvert;
using namespace culvert::test;

TEST_CASE("wg's own tools add, change, move and remove by key") {
  World world;
  const auto key = new_key();
  const auto change = [&](control::PeerChange peer) {
    control::DeviceChange device;
    device.peers.push_back(std::move(peer));
    return world.get(world.server.change_device(std::move(device)));
  };
  control::PeerChange peer;
  peer.public_key = key;
  peer.update_only = true;
  REQUIRE(change(std::move(peer)));
  CHECK_FALSE(world.server.find(key));

  peer = {};
  peer.public_key = key;
  peer.allowed_ips = {{*base::Prefix::parse("10.8.0.2/32"), false}};  // file-2 has it
  peer.persistent_keepalive = 5s;
  REQUIRE(change(std::move(peer)));
  const auto* made = world.server.find(key);
  REQUIRE(made);
  CHECK(made->entry.name.size() == 8);
  CHECK(made->source == Source::database);
  CHECK(made->entry.persistent_keepalive == 5s);
  CHECK(world.server.find("file-2")->entry.allowed_ips.empty());
  REQUIRE(world.own_store.rows.contains(key));
  CHECK(json::parse(made->definition)["allowed_ips"] == json{"10.8.0.2/32"});

  peer = {};
  peer.public_key = world.server.find("file-2")->entry.public_key;
  peer.replace_allowed_ips = true;
  peer.allowed_ips = {{*base::Prefix::parse("10.8.0.2/32"), false}};
  REQUIRE(change(std::move(peer)));
  CHECK(world.server.find(key)->entry.allowed_ips.empty());
  CHECK(json::parse(world.own_store.rows[key].definition)["allowed_ips"] == json::array());

  control::DeviceChange rest;
  rest.replace_peers = true;
  REQUIRE(world.get(world.server.change_device(std::move(rest))));
  CHECK(world.server.peers().empty());
  CHECK(world.own_store.rows.empty());
}

TEST_CASE("another port and another key are taken by restarting the workers") {
  World world;
  const auto before = world.server.workers();
  const auto old_port = world.server.info().listen.front().port;
  control::DeviceChange same;
  same.listen_port = old_port;
  same.private_key = server_key().clone();
  REQUIRE(world.get(world.server.change_device(std::move(same))));
  CHECK(world.server.workers()[0].pid == before[0].pid);

  base::SystemRandom random;
  control::DeviceChange change;
  change.private_key = wg::generate_private_key(random);
  const auto expected = wg::public_key_of(*change.private_key);
  change.listen_port = 0;
  REQUIRE(world.get(world.server.change_device(std::move(change))));
  CHECK(world.server.info().public_key == expected);
  CHECK(world.server.info().listen.front().port != old_port);
  const auto after = world.server.workers();
  for (std::size_t i = 0; i < after.size(); ++i) {
    CHECK(after[i].pid != before[i].pid);
    CHECK(after[i].ready);
  }
}

TEST_CASE("a reload changes exactly what differs, and nothing where the file does not check") {
  World world;
  REQUIRE(world.get(world.server.add_peer(definition("anna"))));
  const auto slot = world.server.find("file-3")->slot;
  const auto pids = world.server.workers();
  world.load = [] {
    app::Loaded broken;
    broken.findings = {{"culvert.toml:7", "nonsense", true}, {"culvert.toml:9", "hm", false}};
    return broken;
  };
  const auto refused = world.get(world.server.reload());
  REQUIRE_FALSE(refused);
  CHECK(refused.problem().status == 422);
  CHECK(fields(refused.problem()) == std::vector<std::string>{"culvert.toml:7"});
  CHECK(world.server.peers().size() == 3);

  app::PeerEntry kept = app::clone(world.server.find("file-3")->entry);
  kept.policy.down = 5;
  const auto anna = world.server.find("anna")->entry.allowed_ips;
  world.load = [&kept] {
    app::Loaded loaded;
    loaded.config = configuration(list(app::clone(kept), file_peer(50)));
    loaded.config->listen = {{*base::IpAddress::parse("127.0.0.1"), 0}};
    loaded.config->mtu = 1300;
    loaded.config->groups.begin()->second.total_up = 9;
    return loaded;
  };
  const auto report = world.get(world.server.reload());
  REQUIRE(report);
  CHECK(report->added == std::vector<std::string>{"file-50"});
  CHECK(report->removed == std::vector<std::string>{"file-2"});
  CHECK(report->changed == std::vector<std::string>{"file-3"});
  CHECK(report->applied == std::vector<std::string>{"group.staff"});
  CHECK(report->need_restart == std::vector<std::string>{"server.mtu"});
  CHECK(world.server.find("file-3")->slot == slot);
  CHECK(world.server.controls(slot).down.get() == 5);
  CHECK(world.server.group_controls(0).up.get() == 9);
  CHECK(world.server.find("anna")->entry.allowed_ips == anna);
  CHECK(world.server.workers()[0].pid == pids[0].pid);

  const auto again = world.get(world.server.reload());
  REQUIRE(again);
  CHECK(again->changed.empty());
  CHECK(again->added == std::vector<std::string>{"file-50"});  // another key each time
}

TEST_CASE("a file that takes a stored peer's name or address puts that one to sleep") {
  World world;
  REQUIRE(world.get(world.server.add_peer(definition("file-60"))));
  world.load = [] {
    app::Loaded loaded;
    loaded.config = configuration(list(file_peer(60), file_peer(61)));
    return loaded;
  };
  const auto report = world.get(world.server.reload());
  REQUIRE(report);
  CHECK(world.server.find("file-60")->source == Source::file);
  CHECK(report->warnings.size() == 1);
  CHECK(world.own_store.rows.size() == 1);
  world.load = [] {
    app::Loaded loaded;
    loaded.config = configuration({});
    return loaded;
  };
  REQUIRE(world.get(world.server.reload()));
  CHECK(world.server.find("file-60")->source == Source::database);
  CHECK(world.server.peers().size() == 1);
}

TEST_CASE("ten thousand peers come and go with one reload each") {
  World world({}, nullptr, true);
  std::vector<app::PeerEntry> many;
  for (unsigned i = 0; i < 10'000; ++i) {
    app::PeerEntry peer;
    peer.name = "p" + std::to_string(i);
    for (unsigned byte = 0; byte < 4; ++byte)
      peer.public_key.bytes[8 + byte] = std::byte(i >> (8 * byte));
    peer.public_key.bytes[0] = std::byte{9};
    peer.allowed_ips = {base::Prefix(base::IpAddress::v4(0x0a090000 + i), 32)};
    peer.preshared_key.mutable_bytes()[0] = std::byte{1};
    many.push_back(std::move(peer));
  }
  world.load = [&many] {
    app::Loaded loaded;
    std::vector<app::PeerEntry> copies;
    for (const auto& each : many) copies.push_back(app::clone(each));
    loaded.config = configuration(std::move(copies), true);
    return loaded;
  };
  const auto report = world.get(world.server.reload());
  REQUIRE(report);
  CHECK(report->added.size() == 10'000);
  CHECK(world.server.peers().size() == 10'000);
  many.clear();
  REQUIRE(world.get(world.server.reload()));
  CHECK(world.server.peers().empty());
  CHECK(world.runtime.registry.room() == world.runtime.registry.capacity());
}
