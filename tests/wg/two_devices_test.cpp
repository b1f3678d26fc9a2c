// Two devices back to back: what a user of the protocol sees on a good wire.
#include "tests/support/catch.hpp"
#include "tests/wg/world.hpp"

using namespace culvert;
using namespace culvert::test;
using base::Drop;

TEST_CASE("the first packet makes a session and arrives", "[wg][pair]") {
  Pair p;
  CHECK_FALSE(p.client.send(p.up(7)));
  p.world.run_for(1s);
  REQUIRE(p.server.delivered.size() == 1);
  CHECK(p.server.delivered[0].bytes == p.up(7));
  CHECK(p.server.delivered[0].peer == p.client_id);
  CHECK(p.server.sessions == 1);
  CHECK(p.client.sessions == 1);
  CHECK(p.server.device->status(p.client_id).has_session);
  CHECK(p.server.device->status(p.client_id).endpoint == p.client.at);
  CHECK(p.client.device->status(p.server_id).has_session);
  CHECK(p.server.pool.in_use() == 0);
}

TEST_CASE("a datagram tells whose it is before it is opened", "[wg][pair]") {
  Pair p;
  p.client.send(p.up());
  REQUIRE(p.client.outbox.size() == 1);
  CHECK(p.server.device->sender_of(p.client.outbox.back().bytes) ==
        0);  // an initiation names nobody
  p.connect();
  p.client.send(p.up());
  REQUIRE_FALSE(p.client.outbox.empty());
  auto data = p.client.outbox.back().bytes;
  CHECK(p.server.device->sender_of(data) == p.client_id.value);
  CHECK(p.server.device->sender_of(base::Bytes(data).first(31)) == 0);
  data[6] ^= std::byte{1};  // of the receiver index
  CHECK(p.server.device->sender_of(data) == 0);
  CHECK(p.server.device->sender_of({}) == 0);
}

TEST_CASE("packets flow both ways, every size up to the MTU, unchanged", "[wg][pair]") {
  Pair p;
  p.connect();
  p.server.delivered.clear();
  for (std::size_t payload = 0; payload <= 1400; payload += 7) {
    CHECK_FALSE(p.client.send(p.up(1, payload)));
    CHECK_FALSE(p.server.send(p.down(2, payload)));
    p.world.run_for(100ms);
    REQUIRE_FALSE(p.server.delivered.empty());
    REQUIRE_FALSE(p.client.delivered.empty());
    CHECK(p.server.delivered.back().bytes == p.up(1, payload));
    CHECK(p.client.delivered.back().bytes == p.down(2, payload));
  }
  CHECK(p.server.counters.drops.total() == 0);
  CHECK(p.client.counters.drops.total() == 0);
}

TEST_CASE("data is padded to 16 bytes but not beyond the MTU", "[wg][pair]") {
  Pair p;
  p.connect();
  const auto outer_size = [&](std::size_t payload) {
    p.client.send(p.up(0, payload));
    const std::size_t size = p.client.outbox.back().bytes.size();
    p.world.run_for(10ms);
    return size;
  };
  CHECK(outer_size(12) == 32 + 32);      // 32 bytes inside: nothing to pad
  CHECK(outer_size(13) == 32 + 48);      // 33
  CHECK(outer_size(1388) == 32 + 1408);  // 1408
  CHECK(outer_size(1389) == 32 + 1420);  // 1409, whose multiple of 16 would be 1424
  CHECK(outer_size(1400) == 32 + 1420);
}

TEST_CASE("handshakes are marked AF41 and data is not", "[wg][pair]") {
  Pair p;
  p.client.send(p.up());
  REQUIRE(p.client.outbox.size() == 1);
  CHECK(p.client.outbox[0].tos == 0x88);
  p.world.run_for(1s);
  p.client.send(p.up());
  REQUIRE(p.client.outbox.size() == 1);
  CHECK(p.client.outbox[0].tos == 0);
}

TEST_CASE("both byte counters are exact, handshakes and keepalives included", "[wg][pair]") {
  Pair p;
  p.connect();  // 148 out, 92 back, one packet of 120 bytes inside, padded to 128
  const auto& client = p.client.peer_counters.front();
  const auto& server = p.server.peer_counters.front();
  CHECK(client.tx_bytes.get() == 148 + 32 + 128);
  CHECK(server.rx_bytes.get() == client.tx_bytes.get());
  CHECK(server.tx_bytes.get() == 92);
  CHECK(client.rx_bytes.get() == 92);
  p.world.run_for(11s);  // the server's passive keepalive
  CHECK(server.tx_bytes.get() == 92 + 32);
  CHECK(client.rx_bytes.get() == 92 + 32);
  CHECK(server.up_packets.get() == 1);
  CHECK(server.up_bytes.get() == 120);
  CHECK(client.down_bytes.get() == 120);
  CHECK(server.handshakes.get() == 1);
}

TEST_CASE("a device without the peer's endpoint says so and sends nothing", "[wg][pair]") {
  Pair p;
  CHECK(p.server.send(p.down()) == Drop::no_endpoint);
  CHECK(p.server.outbox.empty());
  CHECK(p.server.device->next_deadline() == base::never);
}

TEST_CASE("an inner destination that no peer holds has no way out", "[wg][pair]") {
  Pair p;
  p.connect();
  CHECK(p.server.send(inner_packet(address("10.8.0.1"), address("10.8.0.3"))) == Drop::no_peer);
  const std::vector<std::byte> junk(5);
  CHECK(p.server.send(junk) == Drop::no_peer);
}

TEST_CASE("a session with a preshared key needs the same one on both sides", "[wg][pair]") {
  for (const bool same : {true, false}) {
    World world;
    Node& server = world.add("192.0.2.1:51820", {.seed = 5});
    Node& client = world.add("198.51.100.7:40000", {.seed = 6});
    SeededRandom random(9);
    const auto psk = wg::generate_preshared_key(random);
    const auto other = wg::generate_preshared_key(random);
    wg::PeerConfig to_client, to_server;
    to_client.public_key = client.public_key;
    to_client.preshared_key = psk.clone();
    to_client.allowed_ips = {prefix("10.8.0.2/32")};
    to_server.public_key = server.public_key;
    to_server.preshared_key = same ? psk.clone() : other.clone();
    to_server.allowed_ips = {prefix("0.0.0.0/0")};
    to_server.endpoint = server.at;
    server.add(std::move(to_client));
    client.add(std::move(to_server));
    client.send(inner_packet(address("10.8.0.2"), address("1.1.1.1")));
    world.run_for(30s);
    CHECK(server.packets_in == (same ? 1u : 0u));
    CHECK(client.sessions == (same ? 1u : 0u));
    if (!same) CHECK(client.drops(Drop::bad_handshake) > 0);
  }
}
