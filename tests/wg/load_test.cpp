// Floods: cookies, the two budgets, amplification, and that established clients do not notice.
#include "tests/support/catch.hpp"
#include "tests/wg/world.hpp"
#include "wg/cookie.hpp"
#include "wg/load_gate.hpp"
#include "wg/noise.hpp"

using namespace culvert;
using namespace culvert::test;
using base::Drop;
using wg::MessageType;

namespace {

// Makes initiations with a valid MAC1 from random bytes: all that a stranger who knows the server's
// public key can do without a Diffie-Hellman of his own.
class Forger {
 public:
  explicit Forger(const Node& victim) : macs_(victim.public_key) {}
  std::vector<std::byte> initiation() {
    wg::Initiation message;
    random_.fill(std::as_writable_bytes(std::span(&message, 1)).subspan(4));
    macs_.sign(std::as_writable_bytes(std::span(&message, 1)), base::Time{});
    const auto bytes = wg::bytes_of(message);
    return {bytes.begin(), bytes.end()};
  }
  base::Endpoint source() {
    const auto n = std::uint32_t(random_.next() % 10'000);
    return {base::IpAddress::v4(0x0b000000 + n), std::uint16_t(1024 + n)};
  }

 private:
  wg::CookieClient macs_;
  SeededRandom random_{77};
};

// Work that needed a Diffie-Hellman: whatever got past the gate.
std::uint64_t handshakes_opened(const Node& node) {
  return node.drops(Drop::bad_handshake) + node.drops(Drop::unknown_peer);
}

// `rate` forged initiations a second, in steps of a millisecond, while the world goes on.
void flood(World& world, Node& victim, Forger& forger, unsigned rate, base::Duration time) {
  const base::Time end = world.now + time;
  unsigned due = 0;
  while (world.now < end) {
    for (due += rate; due >= 1000; due -= 1000)
      victim.receive(forger.initiation(), forger.source());
    world.run_for(1ms);
  }
}

}  // namespace

TEST_CASE("20,000 forged initiations a second cost at most the budget and get cookies only",
          "[wg][load]") {
  Pair p;
  p.connect();
  Forger forger(p.server);
  std::uint64_t cookies = 0, others = 0;
  p.world.wire.tap = [&](const Flight& f) {
    if (f.from != p.server.at) return;
    (f.bytes.size() == sizeof(wg::CookieReply) ? cookies : others) += 1;
  };
  flood(p.world, p.server, forger, 20'000, 3s);
  CHECK(handshakes_opened(p.server) <= 1'000);  // of 60,000
  CHECK(cookies == 60'000 - handshakes_opened(p.server));
  CHECK(others == 0);
  CHECK(p.server.counters.handshakes_under_load.get() == cookies);
  // Data goes on meanwhile and afterwards.
  p.client.send(p.up(1));
  flood(p.world, p.server, forger, 20'000, 100ms);
  CHECK(p.server.packets_in == 2);
}

TEST_CASE("load ends a second after the flood, not earlier", "[wg][load]") {
  Pair p;
  Forger forger(p.server);
  flood(p.world, p.server, forger, 20'000, 500ms);
  const auto answered = [&] {
    const auto before = p.server.drops(Drop::under_load);
    p.server.receive(forger.initiation(), forger.source());
    return p.server.drops(Drop::under_load) > before;
  };
  p.world.run_for(900ms);
  CHECK(answered());
  p.world.run_for(200ms);
  CHECK_FALSE(answered());
}

TEST_CASE("a flood just below the budget never brings load about", "[wg][load]") {
  Pair p;
  Forger forger(p.server);
  flood(p.world, p.server, forger, 950, 3s);
  CHECK(p.server.counters.handshakes_under_load.get() == 0);
}

TEST_CASE("under load a new client gets in by a cookie, within one retry", "[wg][load][cookie]") {
  Pair p;
  Forger forger(p.server);
  flood(p.world, p.server, forger, 5'000, 300ms);
  p.client.send(p.up(5));
  flood(p.world, p.server, forger, 5'000, 6s);
  CHECK(p.client.sessions == 1);
  REQUIRE(p.server.delivered.size() == 1);
  CHECK(p.server.delivered[0].bytes == p.up(5));
}

TEST_CASE("the address reaches the cookie code: a cookie is good for its sender only",
          "[wg][load][cookie][regression]") {
  // Where the source was not passed on, no cookie was ever sent and a trickle of forgeries blocked
  // every new handshake.
  Pair p;
  Forger forger(p.server);
  flood(p.world, p.server, forger, 5'000, 300ms);
  std::vector<std::byte> cookied;
  p.world.wire.tap = [&](const Flight& f) {
    if (f.from == p.client.at && type_of(f.bytes) == MessageType::initiation) cookied = f.bytes;
  };
  p.world.wire.surgeon = [&](const Flight& f) {  // what carries MAC2 goes no further
    const bool signed_twice =
        f.from == p.client.at && !base::is_zero_constant_time(base::Bytes(f.bytes).last(16));
    return signed_twice ? std::vector<base::Duration>{} : std::vector<base::Duration>{1ms};
  };
  p.client.send(p.up());
  flood(p.world, p.server, forger, 5'000, 6s);
  REQUIRE_FALSE(base::is_zero_constant_time(base::Bytes(cookied).last(16)));
  const auto sessions = p.server.peer_counters.front().rx_bytes.get();
  auto moved = p.client.at;
  moved.port += 1;
  p.server.receive(cookied, moved);
  CHECK(p.server.peer_counters.front().rx_bytes.get() == sessions);
  p.server.receive(cookied, endpoint("[2001:db8::7]:40000"));
  CHECK(p.server.peer_counters.front().rx_bytes.get() == sessions);
  p.server.receive(cookied, p.client.at);
  CHECK(p.server.peer_counters.front().rx_bytes.get() == sessions + sizeof(wg::Initiation));
}

TEST_CASE("a verified host is held to 20 a second, others keep their lane", "[wg][load][cookie]") {
  World world;
  SeededRandom random(4);
  const wg::PrivateKey key = wg::generate_private_key(random);
  const wg::Identity identity(key.clone());
  wg::CookieServer server(identity.private_key, identity.public_key);
  wg::LoadGate gate(server, random);
  wg::CookieClient client(identity.public_key);
  const base::Endpoint from = endpoint("198.51.100.9:1000");
  base::Time now{500s};

  const auto signed_initiation = [&] {
    wg::Initiation m;
    client.sign(std::as_writable_bytes(std::span(&m, 1)), now);
    return m;
  };
  const wg::Initiation first = signed_initiation();
  const auto reply = server.create_reply(wg::bytes_of(first), 1, from, now, random);
  REQUIRE(client.consume_reply(reply, now));
  const wg::Initiation unverified{};
  const wg::Initiation verified = signed_initiation();

  using Verdict = wg::LoadGate::Verdict;
  int admitted = 0, strangers = 0;
  for (int ms = 0; ms < 2'000; ++ms, now += 1ms) {
    for (int i = 0; i < 5; ++i) {
      strangers += gate.admit_initiation(wg::bytes_of(unverified), from, now) == Verdict::go_on;
      if (gate.under_load(now))
        admitted += gate.admit_initiation(wg::bytes_of(verified), from, now) == Verdict::go_on;
    }
  }
  CHECK(gate.under_load(now));
  CHECK(admitted <= 5 + 2 * 20);
  CHECK(admitted >= 30);
  CHECK(strangers <= 1'000);
}

TEST_CASE("a cookie is used for 115 s and refused when it is older than its secrets",
          "[wg][cookie]") {
  World world;
  SeededRandom random(4);
  const wg::Identity identity(wg::generate_private_key(random));
  wg::CookieServer server(identity.private_key, identity.public_key);
  const base::Endpoint from = endpoint("[2001:db8::5]:1000");
  // Wherever in its two minutes a cookie is made, it serves as long as its owner trusts it.
  for (const auto start : {1200s, 1201s, 1270s, 1319s}) {
    wg::CookieClient client(identity.public_key);
    base::Time now{start};
    wg::Initiation m;
    const auto bytes = std::as_writable_bytes(std::span(&m, 1));
    client.sign(bytes, now);
    CHECK_FALSE(server.mac2_valid(bytes, from, now));
    REQUIRE(client.consume_reply(server.create_reply(bytes, 1, from, now, random), now));
    client.sign(bytes, now + 114s);
    CHECK(server.mac2_valid(bytes, from, now + 114s));
    CHECK_FALSE(server.mac2_valid(bytes, from, now + 241s));
    client.sign(bytes, now + 115s);
    CHECK(base::is_zero_constant_time(m.mac2));
  }
}

TEST_CASE("a cookie reply is taken once, and only for the message signed last", "[wg][cookie]") {
  World world;
  SeededRandom random(4);
  const wg::Identity identity(wg::generate_private_key(random));
  wg::CookieServer server(identity.private_key, identity.public_key);
  const base::Endpoint from = endpoint("198.51.100.9:1000");
  const base::Time now{500s};
  wg::CookieClient client(identity.public_key);
  wg::Initiation old, last;
  random.fill(std::as_writable_bytes(std::span(&old, 1)).subspan(8, 32));
  client.sign(std::as_writable_bytes(std::span(&old, 1)), now);
  client.sign(std::as_writable_bytes(std::span(&last, 1)), now);
  CHECK_FALSE(
      client.consume_reply(server.create_reply(wg::bytes_of(old), 1, from, now, random), now));
  auto reply = server.create_reply(wg::bytes_of(last), 1, from, now, random);
  auto bent = reply;
  bent.sealed_cookie[3] ^= std::byte{1};
  CHECK_FALSE(client.consume_reply(bent, now));
  CHECK(client.consume_reply(reply, now));
  CHECK_FALSE(client.consume_reply(reply, now));
}

TEST_CASE("two workers of one server know each other's cookies", "[wg][cookie]") {
  World world;
  SeededRandom random(4);
  const wg::Identity identity(wg::generate_private_key(random));
  wg::CookieServer one(identity.private_key, identity.public_key);
  wg::CookieServer two(identity.private_key, identity.public_key);
  const base::Endpoint from = endpoint("198.51.100.9:1000");
  wg::CookieClient client(identity.public_key);
  wg::Initiation m;
  const auto bytes = std::as_writable_bytes(std::span(&m, 1));
  client.sign(bytes, base::Time{500s});
  REQUIRE(client.consume_reply(one.create_reply(bytes, 1, from, base::Time{500s}, random),
                               base::Time{500s}));
  client.sign(bytes, base::Time{501s});
  CHECK(two.mac2_valid(bytes, from, base::Time{501s}));
}

TEST_CASE("no unauthenticated datagram is answered with more than 63 % of its bytes",
          "[wg][load][amplification]") {
  Pair p;
  p.connect();
  Forger forger(p.server);
  flood(p.world, p.server, forger, 20'000, 200ms);  // under load, where answers are given at all
  SeededRandom random(8);
  std::uint64_t in = 0, out = 0;
  p.world.wire.tap = [&](const Flight& f) {
    if (f.from == p.server.at) out += f.bytes.size();
  };
  for (int i = 0; i < 20'000; ++i) {
    std::vector<std::byte> datagram;
    switch (random.next() % 4) {
      case 0:
        datagram = forger.initiation();
        break;
      case 1:
        datagram.resize(random.next() % 1500);
        break;
      case 2:
        datagram.resize(sizeof(wg::Response));
        break;
      default:
        datagram.resize(sizeof(wg::CookieReply));
        break;
    }
    if (datagram.size() != sizeof(wg::Initiation) || random.next() % 8 == 0) {
      random.fill(datagram);
      if (datagram.size() > 4) {
        const wg::Le32 type = std::uint32_t(1 + random.next() % 4);
        std::copy(type.bytes.begin(), type.bytes.end(), datagram.begin());
      }
    }
    const auto sent_before = out;
    const std::size_t size = datagram.size();
    in += size;
    p.server.receive(std::move(datagram), forger.source());
    p.server.flush();
    CHECK(double(out - sent_before) <= 0.63 * double(size));
  }
  CHECK(out > 0);
  CHECK(double(out) <= 0.63 * double(in));
}

TEST_CASE("a million junk bytes in probes get no answer at all", "[wg][load]") {
  Pair p;
  p.connect();
  SeededRandom random(9);
  const auto before = p.server.peer_counters.front().tx_bytes.get();
  for (int i = 0; i < 10'000; ++i) {
    std::vector<std::byte> datagram(random.next() % 200);
    random.fill(datagram);
    if (datagram.size() >= 4 && i % 2) {
      const wg::Le32 type = std::uint32_t(random.next() % 6);
      std::copy(type.bytes.begin(), type.bytes.end(), datagram.begin());
    }
    p.server.receive(std::move(datagram), endpoint("203.0.113.9:9"));
    REQUIRE(p.server.outbox.empty());
  }
  CHECK(p.server.peer_counters.front().tx_bytes.get() == before);
  CHECK(p.server.device->status(p.client_id).endpoint == p.client.at);
  CHECK(p.server.counters.drops.total() == 10'000);
}

TEST_CASE("a response without a waiting handshake gets no cookie, even under load", "[wg][load]") {
  Pair p;
  p.connect();
  Forger forger(p.server);
  flood(p.world, p.server, forger, 20'000, 200ms);
  wg::CookieClient macs(p.server.public_key);
  wg::Response response;
  response.receiver = 0x12345600;
  macs.sign(std::as_writable_bytes(std::span(&response, 1)), p.world.now);
  const auto bytes = wg::bytes_of(response);
  p.server.receive({bytes.begin(), bytes.end()}, endpoint("203.0.113.9:9"));
  CHECK(p.server.outbox.empty());
  CHECK(p.server.drops(Drop::unknown_index) == 1);
}
