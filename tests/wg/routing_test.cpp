// Who a datagram belongs to and where answers go: roaming, crypto-key routing, workers, removal.
#include "tests/support/catch.hpp"
#include "tests/wg/world.hpp"

using namespace culvert;
using namespace culvert::test;
using base::Drop;
using wg::MessageType;

TEST_CASE("a client that moves is answered where it is now", "[wg][roaming]") {
  Pair p;
  p.connect();
  for (const char* place : {"198.51.100.99:1", "[2001:db8::9]:777", "203.0.113.1:40000"}) {
    const auto moves = p.server.moves;
    p.client.at = endpoint(place);
    p.client.send(p.up());
    p.world.run_for(1s);
    CHECK(p.server.moves == moves + 1);
    CHECK(p.server.last_path.remote == endpoint(place));
    p.client.delivered.clear();
    p.server.send(p.down(5));
    p.world.run_for(1s);
    REQUIRE(p.client.delivered.size() == 1);
    CHECK(p.client.delivered[0].bytes == p.down(5));
  }
}

TEST_CASE("a keepalive moves the endpoint as well", "[wg][roaming]") {
  Pair p(1, 25s);
  p.world.run_for(1s);
  p.client.at.port = 40001;
  p.world.run_for(30s);
  CHECK(p.server.device->status(p.client_id).endpoint == p.client.at);
}

TEST_CASE("the answer leaves from the address that was contacted", "[wg][roaming]") {
  Pair p;
  p.connect();
  p.client.send(p.up());
  auto datagram = p.client.outbox.back().bytes;
  p.client.outbox.clear();
  p.server.receive(datagram, wg::Path{p.client.at, address("192.0.2.77"), 3});
  p.server.send(p.down());
  REQUIRE(p.server.outbox.size() == 1);
  CHECK(p.server.outbox[0].path == wg::Path{p.client.at, address("192.0.2.77"), 3});
}

TEST_CASE("a handshake that must be repeated forgets the local address", "[wg][roaming]") {
  Pair p;
  p.connect();
  p.world.run_for(12s);  // until the server's keepalive has answered the first packet
  p.client.device->set_path(p.server_id, {p.server.at, address("198.51.100.7"), 2}, false,
                            p.world.now);
  p.world.wire.faults.loss = 1'000'000;
  std::vector<wg::Path> paths;
  p.client.send(p.up());
  CHECK(p.client.outbox.back().path.local == address("198.51.100.7"));
  p.world.run_for(15s);
  p.client.device->tick(p.world.now + 1s);
  REQUIRE(p.client.outbox.size() == 1);
  CHECK(p.client.outbox.back().path == wg::Path{p.server.at, {}, 0});
}

TEST_CASE("a packet from an address of another peer is dropped, yet the endpoint moves",
          "[wg][routing][N10]") {
  World world;
  Node& server = world.add("192.0.2.1:51820", {.seed = 1});
  Node& a = world.add("198.51.100.1:1000", {.seed = 2});
  Node& b = world.add("198.51.100.2:1000", {.seed = 3});
  const auto id_a = server.add(a, "10.0.0.0/24");
  a.add(server, "0.0.0.0/0", true);
  a.send(inner_packet(address("10.0.0.5"), address("1.1.1.1")));
  world.run_for(1s);
  CHECK(server.packets_in == 1);
  const auto id_b = server.add(b, "10.0.0.5/32");  // the narrower prefix is now b's
  CHECK(server.device->peer_of(address("10.0.0.5")) == id_b);
  CHECK(server.device->peer_of(address("10.0.0.6")) == id_a);
  CHECK_FALSE(server.device->peer_of(address("10.0.1.6")));
  a.at = endpoint("198.51.100.1:2000");
  a.send(inner_packet(address("10.0.0.5"), address("1.1.1.1")));
  world.run_for(1s);
  CHECK(server.packets_in == 1);
  CHECK(server.drops(Drop::source_not_allowed) == 1);
  CHECK(server.device->status(id_a).endpoint == a.at);
  a.send(inner_packet(address("10.0.0.6"), address("1.1.1.1")));
  world.run_for(1s);
  CHECK(server.packets_in == 2);
  server.device->remove_peer(id_b);
  a.send(inner_packet(address("10.0.0.5"), address("1.1.1.1")));
  world.run_for(1s);
  CHECK(server.packets_in == 3);
}

TEST_CASE("spoofed sources of every kind are dropped", "[wg][routing][C1]") {
  Pair p;
  p.connect();
  const auto before = p.server.packets_in;
  const char* sources[] = {"10.8.0.1",  "10.8.0.3",        "224.0.0.1", "0.0.0.0",
                           "127.0.0.1", "255.255.255.255", "::1",       "fe80::1"};
  for (const char* source : sources) {
    const bool v6 = address(source).is_v6();
    // The client's own routing does not matter: it sends what it likes.
    p.client.device->send(
        base::Bytes(inner_packet(address(source), address(v6 ? "2001:db8::1" : "8.8.8.8"))),
        p.world.now);
  }
  p.world.run_for(1s);
  CHECK(p.server.packets_in == before);
  CHECK(p.server.drops(Drop::source_not_allowed) == 6);  // the client itself has no way for IPv6
}

TEST_CASE("inner packets whose lengths lie are dropped", "[wg][routing]") {
  Pair p;
  p.connect();
  const auto before = p.server.packets_in;
  auto longer = p.up();
  longer[2] = std::byte{0x7f};  // a total length beyond what came
  p.client.send(longer);
  auto shorter = p.up();
  shorter[2] = std::byte{0}, shorter[3] = std::byte{19};
  p.client.send(shorter);
  p.world.run_for(1s);
  CHECK(p.server.packets_in == before);
  CHECK(p.server.drops(Drop::malformed) == 2);
}

TEST_CASE("an initiation that reaches the wrong worker is handed to its owner", "[wg][workers]") {
  const unsigned workers = GENERATE(2u, 3u, 8u);
  World world;
  SeededRandom random(21);
  const wg::PrivateKey key = wg::generate_private_key(random);
  std::vector<Node*> servers;
  for (unsigned i = 0; i < workers; ++i)
    servers.push_back(&world.add(("192.0.2.1:" + std::to_string(50000 + i)).c_str(),
                                 {.seed = 30 + i, .worker = i, .workers = workers, .key = &key}));
  for (std::uint64_t c = 0; c < 12; ++c) {
    Node& client =
        world.add(("198.51.100.1:" + std::to_string(1000 + c)).c_str(), {.seed = 100 + c});
    const std::string inner = "10.0.0." + std::to_string(c + 2);
    const unsigned owner = wg::owner_of(client.public_key, workers);
    servers[owner]->add(client, (inner + "/32").c_str());
    wg::PeerConfig config;
    config.public_key = servers[0]->public_key;
    config.allowed_ips = {prefix("0.0.0.0/0")};
    config.endpoint = endpoint("192.0.2.1:51820");
    client.add(std::move(config));
    client.send(inner_packet(address(inner.c_str()), address("1.1.1.1")));
    const auto initiation = client.outbox.back().bytes;
    client.outbox.clear();
    for (Node* server : servers) {
      if (server == servers[owner]) continue;
      server->misrouted.clear();
      server->receive(initiation, client.at);
      CHECK(server->outbox.empty());
      REQUIRE(server->misrouted.size() == 1);
      CHECK(server->misrouted[0].owner == owner);
      CHECK(server->misrouted[0].bytes == initiation);
      CHECK(server->misrouted[0].from.remote == client.at);
    }
    // The owner answers, and its index says whose it is in its first byte.
    servers[owner]->receive(initiation, client.at);
    REQUIRE(servers[owner]->outbox.size() == 1);
    const auto response = servers[owner]->outbox[0].bytes;
    servers[owner]->outbox.clear();
    CHECK(std::to_integer<unsigned>(response[4]) == owner);
    client.receive(response, endpoint("192.0.2.1:51820"));
    REQUIRE(client.outbox.size() == 1);
    servers[owner]->receive(client.outbox[0].bytes, client.at);
    CHECK(servers[owner]->packets_in == servers[owner]->sessions);
    client.outbox.clear();
  }
}

TEST_CASE("a stranger whose key this worker would own is dropped in silence", "[wg][workers]") {
  Pair p;
  Node& stranger = p.world.add("203.0.113.50:5000", {.seed = 99});
  stranger.add(p.server, "0.0.0.0/0", true);
  stranger.send(p.up());
  p.world.run_for(1s);
  CHECK(p.server.drops(Drop::unknown_peer) == 1);
  CHECK(p.server.misrouted.empty());
  CHECK(stranger.sessions == 0);
}

TEST_CASE("a removed peer's next packet is dropped and its address free", "[wg][control][L3]") {
  Pair p;
  p.connect();
  p.client.send(p.up());
  const auto in_flight = p.client.outbox.back().bytes;
  p.server.device->remove_peer(p.client_id);
  const auto before = p.server.packets_in;
  p.server.receive(in_flight, p.client.at);
  CHECK(p.server.packets_in == before);
  CHECK(p.server.drops(Drop::unknown_index) == 1);
  CHECK_FALSE(p.server.device->find_peer(p.client.public_key));
  CHECK_FALSE(p.server.device->peer_of(address("10.8.0.2")));
  CHECK(p.server.send(p.down()) == Drop::no_peer);
  CHECK(p.server.device->next_deadline() == base::never);
  CHECK_FALSE(p.server.device->status(p.client_id).has_session);
  p.server.device->remove_peer(p.client_id);  // twice is harmless
  const auto again = p.server.add(p.client, "10.8.0.2/32");
  CHECK_FALSE(again == p.client_id);
  p.world.run_for(200s);
  p.client.send(p.up());
  p.world.run_for(1s);
  CHECK(p.server.packets_in == before + 1);
}

TEST_CASE("the own public key, and a key that is there, are refused as peers", "[wg][control]") {
  Pair p;
  base::PeerCounters counters;
  wg::PeerConfig own, again;
  own.public_key = p.server.public_key;
  again.public_key = p.client.public_key;
  CHECK_FALSE(p.server.device->add_peer(std::move(own), counters, p.world.now));
  CHECK_FALSE(p.server.device->add_peer(std::move(again), counters, p.world.now));
}

TEST_CASE("500 peers come and go during traffic of another", "[wg][control][P11]") {
  Pair p;
  p.connect();
  SeededRandom random(55);
  std::deque<wg::PeerId> others;
  for (std::uint32_t i = 0; i < 500; ++i) {
    wg::PeerConfig config;
    config.public_key = wg::public_key_of(wg::generate_private_key(random));
    config.endpoint = base::Endpoint{base::IpAddress::v4(0x0c000000 + i), 5};
    config.persistent_keepalive = 1s;
    config.allowed_ips = {base::Prefix(base::IpAddress::v4(0x0a090000 + i), 32)};
    others.push_back(p.server.add(std::move(config)));
    if (others.size() > 50) p.server.device->remove_peer(others.front()), others.pop_front();
    p.client.send(p.up(i)), p.server.send(p.down(i));
    p.world.run_for(100ms);
  }
  for (const auto id : others) p.server.device->remove_peer(id);
  CHECK(p.server.packets_in == 501);
  CHECK(p.client.packets_in == 500);
  p.world.run_for(600s);
  CHECK(p.server.device->next_deadline() == base::never);
}

TEST_CASE("a restarted server that dials its clients has traffic in one round trip",
          "[wg][control][X1]") {
  Pair p;
  p.connect();
  Node& reborn = p.world.add("192.0.2.1:51820", {.seed = 3, .key = nullptr});
  p.server.at = endpoint("192.0.2.9:9");  // the old process is gone
  // The same seed and port give the same private key.
  REQUIRE(reborn.public_key == p.server.public_key);
  reborn.wall_offset = 1s;
  const auto id = reborn.add(p.client, "10.8.0.2/32");
  reborn.device->set_path(id, {p.client.at, {}, 0}, true, p.world.now);
  p.world.run_for(100ms);
  CHECK(reborn.device->status(id).has_session);
  p.client.send(p.up(4));
  p.world.run_for(100ms);
  REQUIRE(reborn.delivered.size() == 1);
  CHECK(reborn.delivered[0].bytes == p.up(4));
}
