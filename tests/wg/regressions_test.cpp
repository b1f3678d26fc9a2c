// Faults that other WireGuard implementations had or have, each by a test that fails if we get it.
#include <set>

#include "tests/support/catch.hpp"
#include "tests/wg/world.hpp"
#include "wg/cookie.hpp"

using namespace culvert;
using namespace culvert::test;
using base::Drop;
using wg::MessageType;

namespace {
wg::PublicKey public_key(std::initializer_list<int> first, int fill, int last) {
  wg::PublicKey key;
  key.bytes.fill(std::byte(fill));
  std::size_t i = 0;
  for (int b : first) key.bytes[i++] = std::byte(b);
  key.bytes[31] = std::byte(last);
  return key;
}
// RFC 7748's curve: the points whose order divides 8, and their other encodings.
std::vector<wg::PublicKey> low_order_keys() {
  std::vector<wg::PublicKey> keys{public_key({0}, 0, 0), public_key({1}, 0, 0),
                                  public_key({0xec}, 0xff, 0x7f), public_key({0xed}, 0xff, 0x7f),
                                  public_key({0xee}, 0xff, 0x7f)};
  const int a[32] = {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
                     0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
                     0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00};
  const int b[32] = {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
                     0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
                     0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57};
  for (const auto& from : {a, b}) {
    wg::PublicKey key;
    for (std::size_t i = 0; i < 32; ++i) key.bytes[i] = std::byte(from[i]);
    keys.push_back(key);
  }
  return keys;
}
}  // namespace

TEST_CASE("kernel: not one packet leaves for the 7 low-order public keys",
          "[wg][regression][N25]") {
  const auto keys = low_order_keys();
  REQUIRE(keys.size() == 7);
  for (const auto& key : keys) {
    Pair p;
    wg::PeerConfig config;
    config.public_key = key;
    config.allowed_ips = {prefix("10.9.0.0/16")};
    config.endpoint = endpoint("203.0.113.1:1");
    config.persistent_keepalive = 1s;
    std::size_t sent = 0;
    p.world.wire.tap = [&](const Flight& f) { sent += f.from == p.server.at; };
    const auto id = p.server.add(std::move(config));
    CHECK(p.server.send(inner_packet(address("10.8.0.1"), address("10.9.0.1"))) ==
          Drop::send_refused);
    p.server.device->set_path(id, {endpoint("203.0.113.1:1"), {}, 0}, true, p.world.now);
    p.world.run_for(300s);
    CHECK(sent == 0);
  }
}

TEST_CASE("kernel: an initiation with a low-order ephemeral is refused", "[wg][regression]") {
  Pair p;
  wg::CookieClient macs(p.server.public_key);
  for (const auto& key : low_order_keys()) {
    wg::Initiation message;
    message.ephemeral = key;
    macs.sign(std::as_writable_bytes(std::span(&message, 1)), p.world.now);
    const auto bytes = wg::bytes_of(message);
    p.server.receive({bytes.begin(), bytes.end()}, p.client.at);
  }
  CHECK(p.server.drops(Drop::bad_handshake) == 7);
  CHECK(p.server.outbox.empty());
}

TEST_CASE("wireguard-go: handshake messages of any other length are dropped", "[wg][regression]") {
  Pair p;
  p.client.send(p.up());
  const auto good = p.client.outbox.back().bytes;
  for (const int change : {-148, -100, -16, -1, 1, 16, 1000}) {
    auto bad = good;
    bad.resize(std::size_t(int(bad.size()) + change));
    p.server.receive(bad, p.client.at);
  }
  CHECK(p.server.outbox.empty());
  CHECK(p.server.drops(Drop::bad_length) == 6);
  CHECK(p.server.drops(Drop::bad_type) == 1);
  auto reserved = good;
  reserved[2] = std::byte{1};
  p.server.receive(reserved, p.client.at);
  CHECK(p.server.drops(Drop::bad_type) == 2);
}

TEST_CASE("boringtun: unpadded data is accepted", "[wg][regression]") {
  // An MTU of zero keeps our own side from padding, which is what that client does.
  World world;
  Node& server = world.add("192.0.2.1:51820", {.seed = 1});
  Node& client = world.add("198.51.100.7:40000", {.seed = 2, .mtu = 0});
  server.add(client, "10.8.0.2/32");
  client.add(server, "0.0.0.0/0", true);
  for (std::size_t payload = 1; payload < 40; ++payload) {
    const auto packet = inner_packet(address("10.8.0.2"), address("1.1.1.1"), payload);
    client.send(packet);
    if (payload > 1) CHECK(client.outbox.back().bytes.size() == packet.size() + 32);
    world.run_for(100ms);
    REQUIRE(server.delivered.size() == payload);
    CHECK(server.delivered.back().bytes == packet);
  }
}

TEST_CASE("boringtun: a receiver index has 24 unpredictable bits and the worker's byte",
          "[wg][regression]") {
  // GotaTun's audit: predictable session indices.
  World world;
  Node& node = world.add("192.0.2.1:51820", {.seed = 1, .worker = 3, .workers = 4});
  std::set<std::uint32_t> indices;
  SeededRandom random(5);
  for (int i = 0; i < 200; ++i) {
    wg::PeerConfig config;
    config.public_key = wg::public_key_of(wg::generate_private_key(random));
    config.endpoint = endpoint("203.0.113.1:1");
    const auto id = node.add(std::move(config));
    node.device->set_path(id, {endpoint("203.0.113.1:1"), {}, 0}, true, world.now);
    const std::uint32_t index = wg::read_as<wg::Initiation>(node.outbox.back().bytes).sender;
    CHECK((index & 0xff) == 3);
    CHECK(std::to_integer<int>(node.outbox.back().bytes[4]) == 3);  // first on the wire
    indices.insert(index);
  }
  CHECK(indices.size() == 200);
  std::uint32_t ones = 0, zeros = 0;
  for (const auto index : indices) ones |= index, zeros |= ~index;
  CHECK((ones & zeros & 0xffffff00) == 0xffffff00);
}

TEST_CASE("NepTUN: timers run although the first initiation came from the other side",
          "[wg][regression]") {
  // There the responder's timers were never started, and a silent initiator wedged the tunnel.
  Pair p;
  p.connect();
  p.world.run_for(60s);
  p.world.wire.surgeon = [&](const Flight& f) {
    return f.from == p.client.at ? std::vector<base::Duration>{} : std::vector<base::Duration>{1ms};
  };
  std::size_t initiations = 0;
  p.world.wire.tap = [&](const Flight& f) {
    initiations += f.from == p.server.at && type_of(f.bytes) == MessageType::initiation;
  };
  p.server.send(p.down());
  p.world.run_for(16s);
  CHECK(initiations == 1);
  p.world.wire.surgeon = nullptr;
  p.world.run_for(10s);
  CHECK(p.server.sessions == 2);
}

TEST_CASE("NepTUN: a peer that expired while idle still does its persistent keepalive",
          "[wg][regression]") {
  Pair p(1, 25s);
  p.world.run_for(1s);
  REQUIRE(p.client.sessions == 1);
  p.world.wire.faults.loss = 1'000'000;
  p.world.run_for(3600s);
  CHECK(p.client.sessions_lost == 1);
  p.world.wire.faults.loss = 0;
  p.world.run_for(31s);
  CHECK(p.client.sessions == 2);
}

TEST_CASE("NepTUN: a clock that steps back a little harms nothing", "[wg][regression]") {
  Pair p;
  p.connect();
  p.world.now -= 3s;
  p.client.device->tick(p.world.now);
  p.server.device->tick(p.world.now);
  p.client.send(p.up(8)), p.server.send(p.down(9));
  p.world.run_for(1s);
  CHECK(p.server.delivered.back().bytes == p.up(8));
  CHECK(p.client.delivered.back().bytes == p.down(9));
}

TEST_CASE("NepTUN: the last handshake is told as a time, not as an age", "[wg][regression]") {
  Pair p;
  p.connect();
  const auto at = p.server.device->status(p.client_id).last_handshake;
  CHECK(at > p.world.now - 2s);
  const auto wall = p.server.peer_counters.front().last_handshake.get();
  CHECK(wall / 1'000'000'000 == 1'700'000'000 + 1000);
  p.world.run_for(100s);
  CHECK(p.server.device->status(p.client_id).last_handshake == at);
  CHECK(p.server.peer_counters.front().last_handshake.get() == wall);
}

TEST_CASE("NepTUN: a passive keepalive answers data, never another keepalive", "[wg][regression]") {
  Pair p;
  p.connect();
  p.world.run_for(20s);
  std::size_t sent = 0;
  p.world.wire.tap = [&](const Flight&) { ++sent; };
  p.client.send(p.up());
  p.world.run_for(100s);
  CHECK(sent == 2);  // the packet and one keepalive
}

TEST_CASE("Tailscale: staged packets do not eat the packet pool", "[wg][regression]") {
  World world;
  Node& server = world.add("192.0.2.1:51820", {.seed = 1, .packets = 4});
  Node& client = world.add("198.51.100.7:40000", {.seed = 2, .packets = 4});
  server.add(client, "10.8.0.2/32");
  client.add(server, "0.0.0.0/0", true);
  SeededRandom random(6);
  for (std::uint32_t i = 0; i < 20; ++i) {  // 20 peers that never answer
    wg::PeerConfig config;
    config.public_key = wg::public_key_of(wg::generate_private_key(random));
    config.endpoint = endpoint("203.0.113.1:1");
    config.allowed_ips = {base::Prefix(base::IpAddress::v4(0x0a090000 + i), 32)};
    server.add(std::move(config));
    for (int n = 0; n < 200; ++n)
      CHECK_FALSE(server.send(
          inner_packet(address("10.8.0.1"), base::IpAddress::v4(0x0a090000 + i), 1000)));
  }
  CHECK(server.pool.in_use() == 0);
  client.send(inner_packet(address("10.8.0.2"), address("1.1.1.1")));
  world.run_for(1s);
  CHECK(server.packets_in == 1);
}

TEST_CASE("handshakes go on while no packet buffer is free", "[wg][regression]") {
  World world;
  Node& server = world.add("192.0.2.1:51820", {.seed = 1, .packets = 1});
  Node& client = world.add("198.51.100.7:40000", {.seed = 2});
  server.add(client, "10.8.0.2/32");
  client.add(server, "0.0.0.0/0", true, 25s);
  const base::Packet held = server.pool.allocate();
  REQUIRE(held);
  client.send(inner_packet(address("10.8.0.2"), address("1.1.1.1")));
  world.run_for(60s);
  CHECK(server.sessions == 1);  // by the keepalive that followed
  CHECK(server.drops(Drop::no_buffer) == 1);
}

TEST_CASE("a full outbox drops packets and stops no timer", "[wg][regression]") {
  Pair p(1, 25s);
  p.world.run_for(1s);
  p.client.outbox_full = p.server.outbox_full = true;
  CHECK(p.client.send(p.up()) == Drop::outbox_full);
  p.world.run_for(600s);
  p.client.outbox_full = p.server.outbox_full = false;
  p.world.run_for(40s);
  CHECK(p.client.device->status(p.server_id).has_session);
  CHECK(p.client.sessions == 2);
}

TEST_CASE("a tag that is wrong changes no state at all", "[wg][regression][U5]") {
  Pair p;
  p.connect();
  p.world.run_for(30s);
  p.client.send(p.up(3));
  const auto good = p.client.outbox.back().bytes;
  p.client.outbox.clear();
  const auto deadline = p.server.device->next_deadline();
  const auto rx = p.server.peer_counters.front().rx_bytes.get();
  for (std::size_t at = 8; at < good.size(); ++at) {
    auto bad = good;
    bad[at] ^= std::byte{4};
    p.server.receive(bad, endpoint("203.0.113.66:6"));
  }
  CHECK(p.server.drops(Drop::bad_tag) + p.server.drops(Drop::key_expired) == good.size() - 8);
  CHECK(p.server.device->status(p.client_id).endpoint == p.client.at);
  CHECK(p.server.peer_counters.front().rx_bytes.get() == rx);
  CHECK(p.server.device->next_deadline() == deadline);
  p.server.receive(good, p.client.at);
  CHECK(p.server.delivered.back().bytes == p.up(3));
}

TEST_CASE("an initiation of the past is refused, and one only 20 ms after the last",
          "[wg][regression][U6]") {
  Pair p;
  std::vector<std::vector<std::byte>> initiations;
  p.world.wire.tap = [&](const Flight& f) {
    if (f.from == p.client.at && type_of(f.bytes) == MessageType::initiation)
      initiations.push_back(f.bytes);
  };
  p.world.wire.faults.loss = 1'000'000;
  p.client.send(p.up());
  p.world.run_for(20s);
  REQUIRE(initiations.size() >= 4);
  p.server.receive(initiations[1], p.client.at);
  CHECK(p.server.outbox.size() == 1);
  p.server.receive(initiations[2], p.client.at);  // newer, but too soon
  CHECK(p.server.drops(Drop::handshake_rate) == 1);
  p.world.now += 20ms;
  p.server.receive(initiations[0], p.client.at);
  p.server.receive(initiations[1], p.client.at);
  CHECK(p.server.drops(Drop::old_timestamp) == 2);
  p.server.receive(initiations[2], p.client.at);
  CHECK(p.server.outbox.size() == 2);
}

TEST_CASE("CVE-2021-46873: a stamp from the future locks a peer out until it is reset",
          "[wg][regression][U8]") {
  Pair p;
  p.client.wall_offset = std::chrono::hours(24 * 3650);
  p.connect();
  CHECK(p.server.sessions == 1);
  // The client restarts with its clock put right.
  p.client.at.port = 1;
  Node& reborn = p.world.add("198.51.100.7:40000", {.seed = 4});
  REQUIRE(reborn.public_key == p.client.public_key);
  reborn.add(p.server, "0.0.0.0/0", true);
  reborn.send(p.up());
  p.world.run_for(4s);
  CHECK(reborn.sessions == 0);
  CHECK(p.server.drops(Drop::old_timestamp) == 1);
  p.server.device->reset_timestamp(p.client_id);
  p.world.run_for(10s);
  CHECK(reborn.sessions == 1);
}

TEST_CASE("our own stamps never go back, whatever the wall clock does", "[wg][regression][X2]") {
  Pair p;
  bool strictly = true;
  std::size_t seen = 0;
  p.world.wire.surgeon = [&](const Flight& f) {
    // Nothing else tells a stamp but the peer's acceptance; so let the server see all of them.
    seen += f.from == p.client.at && type_of(f.bytes) == MessageType::initiation;
    return std::vector<base::Duration>{1ms};
  };
  for (const auto step : {0h, -87'600h, 0h, 87'600h, -87'600h, 1h}) {
    p.client.wall_offset = step;
    p.world.run_for(600s);  // long enough for all keys to go
    const auto sessions = p.server.sessions;
    p.client.send(p.up());
    p.world.run_for(1s);
    strictly = strictly && p.server.sessions == sessions + 1;
  }
  CHECK(strictly);
  CHECK(seen == 6);
  CHECK(p.server.drops(Drop::old_timestamp) == 0);
}

TEST_CASE("the responder sends nothing under a key that is not confirmed", "[wg][regression]") {
  Pair p;
  p.world.wire.surgeon = [&](const Flight& f) {
    const bool confirmation = type_of(f.bytes) == MessageType::data;
    return confirmation ? std::vector<base::Duration>{} : std::vector<base::Duration>{1ms};
  };
  std::size_t data = 0;
  p.world.wire.tap = [&](const Flight& f) {
    data += f.from == p.server.at && type_of(f.bytes) == MessageType::data;
  };
  p.client.send(p.up());
  p.world.run_for(100ms);
  CHECK_FALSE(p.server.send(p.down(6)));
  p.world.run_for(1s);
  CHECK(data == 0);
  CHECK_FALSE(p.server.device->status(p.client_id).has_session);
  p.world.wire.surgeon = nullptr;
  p.client.send(p.up());  // confirms, and what was staged follows
  p.world.run_for(1s);
  REQUIRE(p.client.delivered.size() == 1);
  CHECK(p.client.delivered[0].bytes == p.down(6));
}

TEST_CASE("a responder whose confirmation was lost dials by itself when it has data",
          "[wg][regression]") {
  Pair p;
  p.world.wire.surgeon = [&](const Flight& f) {
    const bool confirmation = f.from == p.client.at && type_of(f.bytes) == MessageType::data;
    return confirmation ? std::vector<base::Duration>{} : std::vector<base::Duration>{1ms};
  };
  p.client.send(p.up());
  p.world.run_for(100ms);
  p.server.send(p.down(6));  // within five seconds of the response: it has to wait
  p.world.run_for(6s);
  REQUIRE(p.client.delivered.size() == 1);
  CHECK(p.client.delivered[0].bytes == p.down(6));
}
