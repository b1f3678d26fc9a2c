// Two devices over a bad wire: handshake surgery, rekeys under load, replays, and weeks of idling.
#include <set>

#include "tests/support/catch.hpp"
#include "tests/support/instrumented.hpp"
#include "tests/wg/world.hpp"

using namespace culvert;
using namespace culvert::test;
using base::Drop;
using wg::MessageType;

namespace {
using Delays = std::vector<base::Duration>;

// Does something to the nth datagram of a type and leaves all others alone.
struct Surgeon {
  Surgeon(World& world, MessageType type, int nth, Delays fate) {
    world.wire.surgeon = [type, nth, fate, seen = 0](const Flight& f) mutable {
      if (type_of(f.bytes) == type && seen++ == nth) return fate;
      return Delays{10ms};
    };
  }
};

void check_one_tunnel(Pair& p) {
  p.server.delivered.clear(), p.client.delivered.clear();
  p.client.send(p.up(77)), p.server.send(p.down(78));
  p.world.run_for(1s);
  REQUIRE(p.server.delivered.size() == 1);
  CHECK(p.server.delivered[0].bytes == p.up(77));
  REQUIRE(p.client.delivered.size() == 1);
  CHECK(p.client.delivered[0].bytes == p.down(78));
}
}  // namespace

TEST_CASE("each single loss, delay or duplicate of a handshake is survived", "[wg][lossy][P5]") {
  const auto type = GENERATE(MessageType::initiation, MessageType::response, MessageType::data);
  const auto fate = GENERATE(Delays{}, Delays{10ms, 10ms}, Delays{10ms, 200ms}, Delays{400ms},
                             Delays{10ms, 3s, 7s}, Delays{6s});
  INFO("type " << int(type) << ", copies " << fate.size());
  Pair p;
  Surgeon surgeon(p.world, type, 0, fate);
  p.client.send(p.up(1));
  p.world.run_for(2 * 5333ms + 100ms);
  CHECK(p.client.device->status(p.server_id).has_session);
  if (type == MessageType::data && fate.empty()) p.client.send(p.up(2)), p.world.run_for(1s);
  CHECK(p.server.device->status(p.client_id).has_session);
  p.world.run_for(10s);
  check_one_tunnel(p);
}

TEST_CASE("both sides dial at the same moment and one tunnel stands", "[wg][lossy][P5]") {
  World world;
  Node& a = world.add("192.0.2.1:51820", {.seed = 3});
  Node& b = world.add("198.51.100.7:40000", {.seed = 4});
  a.add(b, "10.0.0.2/32", true);
  b.add(a, "10.0.0.1/32", true);
  for (std::uint32_t i = 0; i < 100; ++i) {
    a.send(inner_packet(address("10.0.0.1"), address("10.0.0.2"), 100, i));
    b.send(inner_packet(address("10.0.0.2"), address("10.0.0.1"), 100, i));
    world.run_for(200ms);
  }
  CHECK(a.packets_in == 100);
  CHECK(b.packets_in == 100);
  CHECK(a.sessions <= 2);
}

TEST_CASE("a late response to an initiation that was sent again is ignored", "[wg][lossy][P5]") {
  Pair p;
  Surgeon surgeon(p.world, MessageType::response, 0, {5500ms});
  p.client.send(p.up());
  p.world.run_for(12s);
  CHECK(p.client.sessions == 1);
  CHECK(p.client.drops(Drop::unknown_index) == 1);
  check_one_tunnel(p);
}

TEST_CASE("no counter is used twice under one key", "[wg][lossy]") {
  Pair p(3);
  std::set<std::pair<std::uint32_t, std::uint64_t>> used;
  bool reused = false;
  p.world.wire.tap = [&](const Flight& f) {
    if (type_of(f.bytes) != MessageType::data) return;
    const auto header = wg::read_as<wg::DataHeader>(f.bytes);
    reused = !used.emplace(header.receiver, header.counter).second || reused;
  };
  p.world.wire.faults = {.loss = 200'000, .duplicate = 100'000, .reorder = 100'000};
  for (std::uint32_t i = 0; i < 2'000; ++i) {
    p.client.send(p.up(i)), p.server.send(p.down(i));
    p.world.run_for(300ms);
  }
  CHECK_FALSE(reused);
  CHECK(used.size() > 3'000);
}

TEST_CASE("over a wire that loses, doubles and reorders, packets come once and unchanged",
          "[wg][lossy]") {
  const auto seed = GENERATE(range(1, 6));
  Pair p(std::uint64_t(seed), 25s);
  p.world.wire.faults = {.loss = 100'000,
                         .duplicate = 50'000,
                         .reorder = 100'000,
                         .delay = 20ms,
                         .jitter = 30ms,
                         .reorder_by = 200ms};
  std::set<std::uint32_t> seen;
  constexpr std::uint32_t count = 3'000;
  for (std::uint32_t i = 0; i < count; ++i) {
    p.client.send(p.up(i, 100 + i % 1000));
    p.world.run_for(100ms);
    for (const auto& d : p.server.delivered) {
      const std::uint32_t number = base::load_be32(&d.bytes[20]);
      REQUIRE(seen.insert(number).second);
      REQUIRE(d.bytes == p.up(number, 100 + number % 1000));
    }
    p.server.delivered.clear();
  }
  CHECK(seen.size() > count * 85 / 100);
  CHECK(p.server.drops(Drop::replayed) > 0);
  CHECK(p.server.drops(Drop::bad_tag) == 0);
}

TEST_CASE("20 minutes at full rate: rekeys on time, nothing lost, no gap", "[wg][lossy][P10]") {
  Pair p;
  p.connect();
  p.server.keep_packets = p.client.keep_packets = false;
  const auto before = p.server.packets_in;
  std::uint64_t sent = 0, worst_gap = 0, gap = 0;
  for (int i = 0; i < 20 * 60 * 50; ++i) {
    p.client.send(p.up()), p.server.send(p.down());
    ++sent;
    const auto had = p.server.packets_in;
    p.world.run_for(20ms);
    gap = p.server.packets_in > had ? 0 : gap + 20;
    worst_gap = std::max(worst_gap, gap);
  }
  p.world.run_for(1s);
  CHECK(p.server.packets_in - before == sent);
  CHECK(p.client.packets_in == sent);
  CHECK(p.client.sessions >= 10);
  CHECK(p.client.sessions <= 12);
  CHECK(p.server.sessions == p.client.sessions);
  CHECK(worst_gap <= 50);
  CHECK(p.server.counters.drops.total() == 0);
  CHECK(p.client.counters.drops.total() == 0);
}

TEST_CASE("packets up to 8,000 places late still arrive, older ones do not", "[wg][lossy][P4]") {
  Pair p;
  p.connect();
  p.server.delivered.clear();
  std::deque<std::vector<std::byte>> held;
  for (std::uint32_t i = 0; i < 8'300; ++i) {
    p.client.send(p.up(i, 20));
    held.push_back(std::move(p.client.outbox.back().bytes));
    p.client.outbox.clear();
  }
  p.server.receive(held.back(), p.client.at);
  for (const auto& datagram : held) p.server.receive(datagram, p.client.at);
  CHECK(p.server.delivered.size() == 8'129);
  CHECK(p.server.drops(Drop::replayed) == 8'300 - 8'129 + 1);
}

TEST_CASE("a storm of replays from elsewhere delivers nothing and moves nobody",
          "[wg][lossy][P8]") {
  Pair p;
  std::vector<std::vector<std::byte>> recorded;
  p.world.wire.tap = [&](const Flight& f) {
    if (f.from == p.client.at) recorded.push_back(f.bytes);
  };
  for (std::uint32_t i = 0; i < 400; ++i) p.client.send(p.up(i)), p.world.run_for(1s);
  REQUIRE(recorded.size() > 400);
  p.world.wire.tap = nullptr;
  const auto delivered = p.server.packets_in, moves = p.server.moves;
  const auto tx = p.server.peer_counters.front().tx_bytes.get();
  const auto rx = p.server.peer_counters.front().rx_bytes.get();
  for (int round = 0; round < 20; ++round) {
    for (const auto& datagram : recorded) p.server.receive(datagram, endpoint("203.0.113.66:666"));
    REQUIRE(p.server.outbox.empty());
  }
  CHECK(p.server.packets_in == delivered);
  CHECK(p.server.moves == moves);
  CHECK(p.server.peer_counters.front().tx_bytes.get() == tx);
  CHECK(p.server.peer_counters.front().rx_bytes.get() == rx);
  CHECK(p.server.drops(Drop::old_timestamp) > 0);
  CHECK(p.server.device->status(p.client_id).endpoint == p.client.at);
  check_one_tunnel(p);
}

TEST_CASE("a blackout: the old key works while it is young, else a new one comes at once",
          "[wg][lossy][P7]") {
  const auto dark = GENERATE(5s, 30s, 100s, 200s);
  Pair p;
  p.connect();
  p.world.wire.faults.loss = 1'000'000;
  const base::Time end = p.world.now + dark;
  while (p.world.now < end) p.client.send(p.up(1)), p.world.run_for(500ms);
  p.world.wire.faults.loss = 0;
  p.server.delivered.clear();
  p.client.send(p.up(42));
  p.world.run_for(dark < 180s ? 1s : 6s);
  REQUIRE_FALSE(p.server.delivered.empty());
  CHECK(p.server.delivered.size() <= 128 + 1);
  CHECK(p.server.delivered.back().bytes == p.up(42));
}

TEST_CASE("weeks of idling: keepalives keep theirs, silent peers cost nothing",
          "[wg][lossy][soak]") {
  constexpr int days = instrumented ? 3 : 30;
  World world;
  Node& server = world.add("192.0.2.1:51820", {.seed = 1});
  Node& kept = world.add("198.51.100.1:1000", {.seed = 2});
  kept.keep_packets = server.keep_packets = false;
  server.add(kept, "10.0.0.2/32");
  const auto server_at_kept = kept.add(server, "0.0.0.0/0", true, 170s);
  std::vector<Node*> silent;
  for (int i = 0; i < 20; ++i) {
    Node& node = world.add(("198.51.100.2:" + std::to_string(2000 + i)).c_str(),
                           {.seed = std::uint64_t(10 + i)});
    server.add(node, ("10.0.1." + std::to_string(i) + "/32").c_str());
    node.add(server, "0.0.0.0/0", true);
    node.send(inner_packet(address(("10.0.1." + std::to_string(i)).c_str()), address("1.1.1.1")));
    silent.push_back(&node);
  }
  world.run_for(600s);
  CHECK(server.packets_in == 20);
  for (Node* node : silent) CHECK(node->device->next_deadline() == base::never);
  const auto turns = world.turns;
  for (int day = 0; day < days; ++day) {
    world.run_for(24h);
    REQUIRE(kept.device->status(server_at_kept).endpoint);
    REQUIRE(kept.sessions_lost == 0);
    REQUIRE(server.sessions_lost == 20);
  }
  // About one keepalive each 170 s and what it brings about, from one peer alone.
  CHECK(world.turns - turns < days * 86'400 / 170 * 12);
  CHECK(kept.sessions > days * 86'400 / 400);
  CHECK(server.counters.drops.total() == 0);
}
