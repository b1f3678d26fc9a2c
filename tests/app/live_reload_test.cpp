// What wg's own tools and a reload change of the running server.
#include <sys/socket.h>

#include "tests/app/live_world.hpp"
#include "wg/udp_socket.hpp"

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

TEST_CASE("a change that fails anywhere changes nothing") {
  const auto peer = [](const wg::PublicKey& key, const char* address) {
    control::PeerChange change;
    change.public_key = key;
    change.allowed_ips = {{*base::Prefix::parse(address), false}};
    return change;
  };
  World world;
  REQUIRE(world.get(world.server.add_peer(definition("anna"))));
  const auto rows = world.own_store.rows.begin()->second.definition;
  const auto anna = world.server.find("anna")->entry.public_key;
  const auto as_before = [&] {
    CHECK(world.server.peers().size() == 3);
    CHECK(world.server.find("anna")->entry.allowed_ips.size() == 1);
    CHECK(world.server.find("file-2")->entry.allowed_ips.size() == 1);
    CHECK(world.server.info().public_key == wg::public_key_of(server_key()));
    CHECK(world.server.fwmark() == 0);
    REQUIRE(world.own_store.rows.size() == 1);
    CHECK(world.own_store.rows.begin()->second.definition == rows);
  };

  // The port is another socket's; all else would do.
  base::FileDescriptor other(wg::bind_udp({*base::IpAddress::parse("127.0.0.1"), 0}, false));
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  REQUIRE(::getsockname(other.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  base::SystemRandom random;
  control::DeviceChange change;
  change.private_key = wg::generate_private_key(random);
  change.listen_port = base::Endpoint::from_sockaddr(address).port;
  change.replace_peers = true;
  change.peers.push_back(peer(new_key(), "10.8.0.2/32"));
  const auto port = world.get(world.server.change_device(std::move(change)));
  REQUIRE_FALSE(port);
  CHECK(port.problem().status == 409);
  CHECK(fields(port.problem()) == std::vector<std::string>{"listen_port"});
  as_before();

  // The database takes the first row and not the second.
  world.own_store.room = 1;
  control::DeviceChange peers;
  peers.peers.push_back(peer(anna, "10.8.0.2/32"));
  peers.peers.push_back(peer(new_key(), "10.8.0.77/32"));
  CHECK(world.get(world.server.change_device(std::move(peers))).problem().status == 503);
  as_before();
  world.own_store.room = 1000;

  const std::size_t room = world.runtime.registry.room();
  control::DeviceChange many;
  many.peers.push_back(peer(anna, "10.8.0.2/32"));
  for (std::size_t i = 0; i <= room; ++i) {
    wg::PublicKey key;
    for (unsigned byte = 0; byte < 4; ++byte) key.bytes[byte] = std::byte(i >> (8 * byte));
    key.bytes[8] = std::byte{7};
    many.peers.push_back(peer(key, "10.8.0.3/32"));
  }
  CHECK(world.get(world.server.change_device(std::move(many))).problem().status == 507);
  as_before();
}

TEST_CASE("one change adds, moves, removes and adds again in the order given") {
  World world;
  const auto two = world.server.find("file-2")->entry.public_key;
  const auto a = new_key(), b = new_key();
  const auto named = [](const wg::PublicKey& key, std::vector<const char*> addresses) {
    control::PeerChange change;
    change.public_key = key;
    for (const char* each : addresses)
      change.allowed_ips.push_back({*base::Prefix::parse(each), false});
    return change;
  };
  control::DeviceChange change;
  change.peers.push_back(named(a, {"10.8.0.2/32", "10.8.0.9/32"}));
  change.peers.push_back(named(b, {"10.8.0.9/32"}));
  change.peers.push_back(named(two, {}));
  change.peers.back().remove = true;
  change.peers.push_back(named(two, {"10.8.0.30/32"}));
  REQUIRE(world.get(world.server.change_device(std::move(change))));
  const auto ips = [&](const wg::PublicKey& key) {
    std::vector<std::string> all;
    for (const auto& prefix : world.server.find(key)->entry.allowed_ips)
      all.push_back(prefix.to_string());
    return all;
  };
  CHECK(ips(a) == std::vector<std::string>{"10.8.0.2/32"});
  CHECK(ips(b) == std::vector<std::string>{"10.8.0.9/32"});
  CHECK(ips(two) == std::vector<std::string>{"10.8.0.30/32"});
  CHECK(world.server.find(two)->source == Source::database);
  CHECK(json::parse(world.own_store.rows.at(a).definition)["allowed_ips"] == json{"10.8.0.2/32"});
  CHECK(world.own_store.rows.size() == 3);
  CHECK(world.server.find(a)->definition == world.own_store.rows.at(a).definition);
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
    // In the bytes that decide about its worker and its place in a table, as of a real key.
    for (unsigned byte = 0; byte < 4; ++byte)
      peer.public_key.bytes[byte] = std::byte(i >> (8 * byte));
    peer.public_key.bytes[8] = std::byte{9};
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
