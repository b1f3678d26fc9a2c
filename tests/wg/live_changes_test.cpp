// A peer is changed while its tunnel is in use: its sessions stay.
#include "tests/support/catch.hpp"
#include "tests/wg/world.hpp"

using namespace culvert;
using namespace culvert::test;

namespace {

wg::PresharedKey preshared(std::uint64_t seed) {
  SeededRandom random(seed);
  return wg::generate_preshared_key(random);
}

std::uint64_t received(const Node& node) {
  return node.packets_in;
}

}  // namespace

TEST_CASE("a preshared key holds from the next handshake", "[wg][live]") {
  Pair p;
  p.connect();
  p.server.device->set_preshared_key(p.client_id, preshared(5));
  const auto before = received(p.server);
  p.client.send(p.up());
  p.world.run_for(1s);
  CHECK(received(p.server) == before + 1);  // under the session that stands

  const auto sessions = p.server.sessions;
  p.world.run_for(125s);
  p.client.send(p.up());  // too old by now: a handshake, whose answer the client cannot read
  p.world.run_for(30s);
  CHECK(p.server.sessions == sessions);

  p.client.device->set_preshared_key(p.server_id, preshared(5));
  p.client.send(p.up());
  p.world.run_for(30s);
  CHECK(p.server.sessions == sessions + 1);
}

TEST_CASE("zeros take a preshared key away", "[wg][live]") {
  Pair p;
  p.server.device->set_preshared_key(p.client_id, preshared(5));
  p.client.send(p.up());
  p.world.run_for(4s);
  CHECK(p.server.sessions == 0);
  p.server.device->set_preshared_key(p.client_id, {});
  p.world.run_for(10s);
  CHECK(p.server.sessions == 1);
}

TEST_CASE("a persistent keepalive that is turned on sends at once, then at its interval",
          "[wg][live]") {
  Pair p;
  p.connect();
  p.world.run_for(60s);
  const auto sent = [&] { return p.client.peer_counters.front().tx_bytes.get(); };
  auto before = sent();
  p.client.device->set_persistent_keepalive(p.server_id, 5s, p.world.now);
  CHECK(p.client.device->next_deadline() <= p.world.now);
  p.world.run_for(1s);
  CHECK(sent() == before + wg::data_overhead);
  p.world.run_for(5s);
  CHECK(sent() == before + 2 * wg::data_overhead);

  p.client.device->set_persistent_keepalive(p.server_id, 0s, p.world.now);
  before = sent();
  p.world.run_for(30s);
  CHECK(sent() == before);
}

TEST_CASE("a persistent keepalive without a session shakes hands", "[wg][live]") {
  Pair p;
  p.client.device->set_persistent_keepalive(p.server_id, 25s, p.world.now);
  p.world.run_for(1s);
  CHECK(p.client.sessions == 1);
}

TEST_CASE("a shorter interval does not wait for the end of the longer one", "[wg][live]") {
  Pair p(1, 3600s);
  p.world.run_for(60s);
  const auto before = p.client.peer_counters.front().tx_bytes.get();
  p.client.device->set_persistent_keepalive(p.server_id, 10s, p.world.now);
  p.world.run_for(9s);
  CHECK(p.client.peer_counters.front().tx_bytes.get() == before);
  p.world.run_for(2s);
  CHECK(p.client.peer_counters.front().tx_bytes.get() > before);
}

TEST_CASE("an allowed IP that is added moves from the peer that had it", "[wg][live]") {
  World world;
  Node& server = world.add("192.0.2.1:51820", {.seed = 1});
  Node& a = world.add("198.51.100.1:1000", {.seed = 2});
  Node& b = world.add("198.51.100.2:1000", {.seed = 3});
  const auto id_a = server.add(a, "10.0.0.0/24"), id_b = server.add(b, "10.0.1.0/24");
  a.add(server, "0.0.0.0/0", true);
  const auto speak = [&] {
    a.send(inner_packet(address("10.0.0.5"), address("1.1.1.1")));
    world.run_for(1s);
  };
  speak();
  REQUIRE(server.packets_in == 1);

  REQUIRE(server.device->add_allowed_ip(id_b, prefix("10.0.0.0/24")));
  CHECK(server.device->peer_of(address("10.0.0.5")) == id_b);
  speak();
  CHECK(server.packets_in == 1);  // its source is not its own any more
  CHECK(server.drops(base::Drop::source_not_allowed) == 1);

  CHECK_FALSE(server.device->remove_allowed_ip(id_a, prefix("10.0.0.0/24")));
  CHECK(server.device->remove_allowed_ip(id_b, prefix("10.0.0.0/24")));
  CHECK_FALSE(server.device->peer_of(address("10.0.0.5")));
  REQUIRE(server.device->add_allowed_ip(id_a, prefix("10.0.0.0/24")));
  speak();
  CHECK(server.packets_in == 2);
  CHECK(server.sessions == 1);
}

TEST_CASE("a new endpoint is where the next packet goes", "[wg][live]") {
  Pair p;
  p.connect();
  const auto moves = p.server.moves;
  p.server.device->set_endpoint(p.client_id, endpoint("203.0.113.9:5"));
  CHECK(p.server.moves == moves);  // said by whoever set it
  p.server.send(p.down());
  REQUIRE(p.server.outbox.size() == 1);
  CHECK(p.server.outbox[0].path == wg::Path{endpoint("203.0.113.9:5"), {}, 0});
  p.server.outbox.clear();
  p.client.send(p.up());
  p.world.run_for(1s);
  CHECK(p.server.device->status(p.client_id).endpoint == p.client.at);  // it spoke
}

TEST_CASE("a peer that is gone is changed by nothing", "[wg][live]") {
  Pair p;
  p.server.device->remove_peer(p.client_id);
  p.server.device->set_preshared_key(p.client_id, preshared(1));
  p.server.device->set_persistent_keepalive(p.client_id, 1s, p.world.now);
  p.server.device->set_endpoint(p.client_id, endpoint("203.0.113.9:5"));
  CHECK_FALSE(p.server.device->add_allowed_ip(p.client_id, prefix("10.9.0.0/16")));
  CHECK_FALSE(p.server.device->remove_allowed_ip(p.client_id, prefix("10.8.0.2/32")));
  CHECK(p.server.device->next_deadline() == base::never);
}
