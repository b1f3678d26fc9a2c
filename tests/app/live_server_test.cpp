// Peers of the running server come, change and go; real workers, a store in memory.
#include "tests/app/live_world.hpp"

using namespace culvert;
using namespace culvert::test;

TEST_CASE("a peer is added with the next free address, stored, and gone after its removal") {
  World world;
  const auto added = world.get(world.server.add_peer(definition("anna")));
  REQUIRE(added);
  CHECK(*added == "anna");
  const auto* peer = world.server.find("anna");
  REQUIRE(peer);
  CHECK(peer->source == Source::database);
  CHECK(peer->entry.allowed_ips == std::vector{*base::Prefix::parse("10.8.0.4/32")});
  CHECK(json::parse(peer->definition)["allowed_ips"] == json{"10.8.0.4/32"});
  CHECK(world.server.find(peer->entry.public_key.to_string()) == peer);
  REQUIRE(world.own_store.rows.size() == 1);
  CHECK(world.own_store.rows.begin()->second.definition == peer->definition);

  REQUIRE(world.get(world.server.remove_peer("anna")));
  CHECK_FALSE(world.server.find("anna"));
  CHECK(world.own_store.rows.empty());
  CHECK(world.told == std::vector<std::string>{"peer_added anna", "peer_removed anna"});
  CHECK(world.get(world.server.remove_peer("anna")).problem().status == 404);
}

TEST_CASE("a name, a key and an address that somebody has are conflicts of their fields") {
  World world;
  const auto* other = world.server.find("file-2");
  json taken = {{"name", "file-3"},
                {"public_key", other->entry.public_key.to_string()},
                {"allowed_ips", {"10.8.0.9/32", "10.8.0.2/32"}}};
  const auto added = world.get(world.server.add_peer(taken));
  REQUIRE_FALSE(added);
  CHECK(added.problem().status == 409);
  CHECK(fields(added.problem()) == std::vector<std::string>{"public_key", "name", "allowed_ips/1"});
  CHECK(world.server.peers().size() == 2);
  CHECK(world.own_store.rows.empty());
}

TEST_CASE("a peer that cannot be stored is not added, changed or removed") {
  World world;
  REQUIRE(world.get(world.server.add_peer(definition("anna"))));
  world.own_store.full = true;
  CHECK(world.get(world.server.add_peer(definition("bert"))).problem().status == 503);
  CHECK_FALSE(world.server.find("bert"));
  CHECK(world.get(world.server.change_peer("anna", {{"name", "x"}})).problem().status == 503);
  CHECK(world.get(world.server.remove_peer("anna")).problem().status == 503);
  CHECK(world.server.find("anna"));
}

TEST_CASE("a peer of the file is the file's") {
  World world;
  for (const auto& problem : {world.get(world.server.remove_peer("file-2")).problem(),
                              world.get(world.server.change_peer("file-2", {})).problem()}) {
    CHECK(problem.status == 409);
    CHECK(problem.detail.find("culvert.toml:2") != std::string::npos);
  }
}

TEST_CASE("a merge patch changes what it names and keeps the slot") {
  World world;
  json anna = definition("anna");
  anna["group"] = "staff";
  anna["preshared_key"] = new_key().to_string();
  REQUIRE(world.get(world.server.add_peer(anna)));
  const auto slot = world.server.find("anna")->slot;
  CHECK(world.server.controls(slot).down.get() == 1'000'000);
  CHECK(world.server.controls(slot).group.get() == 1);
  CHECK(world.server.group_controls(0).up.get() == 7'000'000);

  REQUIRE(world.get(world.server.change_peer("anna", {{"name", "anne"},
                                                      {"down", "3mbit"},
                                                      {"preshared_key", nullptr},
                                                      {"persistent_keepalive", 25}})));
  const auto* peer = world.server.find("anne");
  REQUIRE(peer);
  CHECK_FALSE(world.server.find("anna"));
  CHECK(peer->slot == slot);
  CHECK(peer->entry.preshared_key.is_zero());
  CHECK(peer->entry.persistent_keepalive == 25s);
  CHECK(world.server.controls(slot).down.get() == 3'000'000);
  CHECK(world.own_store.rows.begin()->second.name == "anne");
  CHECK(json::parse(peer->definition).contains("preshared_key") == false);

  const json other_key{{"public_key", new_key().to_string()}};
  CHECK(world.get(world.server.change_peer("anne", other_key)).problem().status == 409);
  CHECK(world.get(world.server.change_peer("anne", {{"down", "fast"}})).problem().status == 422);
  CHECK(world.get(world.server.change_peer("anne", json::array())).problem().status == 400);
}

TEST_CASE("stored peers come back with the next start; one that clashes is inactive and kept") {
  MemoryStore store;
  const auto keep = [&](const char* name, const char* address) {
    const auto key = new_key();
    store.rows[key] = {
        key, name,
        json{{"name", name}, {"public_key", key.to_string()}, {"allowed_ips", {address}}}.dump()};
    return key;
  };
  keep("anna", "10.8.0.20/32");
  keep("file-2", "10.8.0.21/32");
  keep("late", "10.8.0.3/32");
  const auto broken = new_key();
  store.rows[broken] = {broken, "broken", "{"};
  World world(list(file_peer(2), file_peer(3)), &store);
  CHECK(world.server.peers().size() == 3);
  CHECK(world.server.find("anna")->source == Source::database);
  CHECK(world.server.find("file-2")->source == Source::file);
  CHECK_FALSE(world.server.find("late"));
  CHECK(store.rows.size() == 4);
  REQUIRE(world.get(world.server.remove_peer("broken")));  // it can still be taken out
  CHECK(store.rows.size() == 3);
}

TEST_CASE("a killed worker ends no change: its successor knows") {
  World world;
  for (int i = 0; i < 8; ++i) {
    const auto states = world.server.workers();
    ::kill(states[unsigned(i) % 2].pid, SIGKILL);
    const std::string name = "p" + std::to_string(i);
    REQUIRE(world.get(world.server.add_peer(definition(name.c_str()))));
    REQUIRE(world.until([&] { return world.workers.ready(); }));
  }
  for (int i = 0; i < 8; ++i) REQUIRE(world.get(world.server.remove_peer("p" + std::to_string(i))));
  CHECK(world.server.peers().size() == 2);
}

TEST_CASE("changes at the same time are made one after another") {
  World world(list(file_peer(2), file_peer(3)), nullptr, true);
  std::vector<Kept<std::string>> adding;
  for (int i = 0; i < 40; ++i)
    adding.push_back(
        world.begin(world.server.add_peer(definition(("n" + std::to_string(i)).c_str()))));
  REQUIRE(world.until(
      [&] { return std::ranges::all_of(adding, [](auto& each) { return each->has_value(); }); }));
  for (auto& each : adding) CHECK(**each);
  CHECK(world.server.peers().size() == 42);
  const auto flows = world.get(world.server.flows({}));
  REQUIRE(flows);
  CHECK(flows->empty());
}
