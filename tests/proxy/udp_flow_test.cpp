#include "tests/proxy/world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
using namespace std::chrono_literals;

namespace {

base::FlowKey key_to(const base::Endpoint& server, std::uint16_t port = 40000) {
  return {
      {server.address.is_v4() ? ip("10.8.0.2") : ip("fd08::2"), port}, server, base::Protocol::udp};
}
void send(World& world, const base::FlowKey& key, std::string_view text, std::uint8_t ttl = 64) {
  world.inject(build_udp({.key = key, .ttl = ttl}, bytes_of(text)));
}
// What an origin gets next, if anything.
std::optional<std::pair<ByteVector, base::Endpoint>> wait_at(World& world, Origin& origin) {
  std::optional<std::pair<ByteVector, base::Endpoint>> got;
  world.run_until([&] { return bool(got = origin.receive()); });
  return got;
}
base::Endpoint closed_port(const char* address) {
  Origin gone(SOCK_DGRAM, address);
  return gone.endpoint();
}

}  // namespace

TEST_CASE("datagrams pass both ways, an empty one too, over IPv4 and IPv6") {
  for (const char* address : {"127.0.0.1", "::1"}) {
    World world;
    Origin origin(SOCK_DGRAM, address);
    const auto key = key_to(origin.endpoint());
    for (const std::string_view text : {"question", "", "another"}) {
      send(world, key, text);
      const auto got = wait_at(world, origin);
      REQUIRE(got);
      CHECK(text_of(got->first) == text);
      origin.send(bytes_of(text), got->second);
      const auto back = world.wait_udp();
      REQUIRE(back);
      CHECK(back->text() == text);
      CHECK(back->ip.source == origin.endpoint().address);
      CHECK(back->udp->source_port == origin.endpoint().port);
      CHECK(back->udp->destination_port == 40000);
    }
    CHECK(world.peer.udp_flows.get() == 1);
  }
}

TEST_CASE(
    "one client endpoint is one host endpoint, to whatever destination, on its own port if free") {
  World world;
  Origin a(SOCK_DGRAM), b(SOCK_DGRAM);
  send(world, key_to(a.endpoint(), 40123), "1");
  const auto at_a = wait_at(world, a);
  send(world, key_to(b.endpoint(), 40123), "2");
  const auto at_b = wait_at(world, b);
  REQUIRE(at_a);
  REQUIRE(at_b);
  CHECK(at_a->second == at_b->second);
  CHECK(at_a->second.port == 40123);
  CHECK(world.peer.udp_flows.get() == 1);
}

TEST_CASE("a taken port gives another one") {
  World world;
  Origin taken(SOCK_DGRAM), origin(SOCK_DGRAM);
  send(world, key_to(origin.endpoint(), taken.endpoint().port), "x");
  const auto got = wait_at(world, origin);
  REQUIRE(got);
  CHECK(got->second.port != taken.endpoint().port);
}

TEST_CASE("a reply passes only from a contacted address, or from anyone with full cone") {
  for (const bool full_cone : {false, true}) {
    World world(World::config(), {}, full_cone);
    Origin origin(SOCK_DGRAM, "127.0.0.1"), stranger(SOCK_DGRAM, "127.0.0.2");
    send(world, key_to(origin.endpoint()), "x");
    const auto got = wait_at(world, origin);
    REQUIRE(got);
    stranger.send(bytes_of("hello"), got->second);
    world.settle();
    CHECK(bool(world.find([](const Sent& s) { return bool(s.udp); })) == full_cone);
    CHECK(world.drops(base::Drop::udp_filtered) == (full_cone ? 0 : 1));
  }
}

TEST_CASE("a closed port is told to the client, from the origin, quoting its own packet") {
  for (const char* address : {"127.0.0.1", "::1"}) {
    World world;
    const auto key = key_to(closed_port(address));
    send(world, key, "anyone?");
    const auto error = world.wait_icmp();
    REQUIRE(error);
    CHECK(error->icmp->type == (key.server.address.is_v4() ? 3 : 1));
    CHECK(error->icmp->code == (key.server.address.is_v4() ? 3 : 4));
    CHECK(error->ip.source == key.server.address);
    const auto sent = build_udp({.key = key, .ttl = 63}, bytes_of("anyone?"));
    const auto quoted = error->icmp->payload;
    const std::size_t header = key.server.address.is_v4() ? 20 : 40;
    REQUIRE(quoted.size() >= header + 8);
    CHECK(std::equal(sent.begin() + std::ptrdiff_t(header),
                     sent.begin() + std::ptrdiff_t(header) + 8,
                     quoted.begin() + std::ptrdiff_t(header)));
  }
}

TEST_CASE("an error about one datagram harms none of the others of its turn") {
  World world;
  Origin origin(SOCK_DGRAM);
  const auto bad = key_to(closed_port("127.0.0.1"));
  int expected = 0;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 10; ++i) {
      send(world, bad, "lost");
      send(world, key_to(origin.endpoint()), "kept");
      ++expected;
    }
    world.turn();
  }
  int got = 0;
  world.run_until([&] {
    while (origin.receive()) ++got;
    return got == expected;
  });
  CHECK(got == expected);
}

TEST_CASE("a burst of equal datagrams arrives whole, in order, and so does its echo") {
  World world;
  Origin origin(SOCK_DGRAM);
  const int big = 4 << 20;
  ::setsockopt(origin.fd.get(), SOL_SOCKET, SO_RCVBUF, &big, sizeof big);
  const auto key = key_to(origin.endpoint());
  constexpr int count = 150;
  for (int i = 0; i < count; ++i) {
    std::string text(i % 50 == 49 ? 700 : 1200, char('a' + i % 26));
    send(world, key, text);
  }
  world.turn();
  int got = 0, back = 0;
  const bool whole = world.run_until([&] {
    // No more at once than the mapping's socket holds between two turns of the loop.
    for (int i = 0; i < 30; ++i) {
      const auto d = origin.receive();
      if (!d) break;
      CHECK(d->first.size() == (got % 50 == 49 ? 700u : 1200u));
      CHECK(d->first[0] == std::byte('a' + got % 26));
      origin.send(d->first, d->second);
      ++got;
    }
    while (auto s = world.find([](const Sent& p) { return bool(p.udp); })) {
      CHECK(s->udp->payload.size() == (back % 50 == 49 ? 700u : 1200u));
      CHECK(s->udp->payload[0] == std::byte('a' + back % 26));
      ++back;
    }
    return got == count && back == count;
  });
  CHECK(got == count);
  CHECK(back == count);
  CHECK(whole);
}

TEST_CASE("the remaining TTL goes out") {
  World world;
  Origin origin(SOCK_DGRAM);
  const int one = 1;
  ::setsockopt(origin.fd.get(), IPPROTO_IP, IP_RECVTTL, &one, sizeof one);
  send(world, key_to(origin.endpoint()), "x", 17);
  char data[8], control[64];
  iovec part{data, sizeof data};
  msghdr message{};
  message.msg_iov = &part, message.msg_iovlen = 1;
  REQUIRE(world.run_until([&] {
    message.msg_control = control, message.msg_controllen = sizeof control;
    return ::recvmsg(origin.fd.get(), &message, MSG_DONTWAIT) >= 0;
  }));
  int ttl = 0;
  if (cmsghdr* c = CMSG_FIRSTHDR(&message)) std::memcpy(&ttl, CMSG_DATA(c), sizeof ttl);
  CHECK(ttl == 16);
}

TEST_CASE("a denied target is answered prohibited and opens no mapping") {
  World world;
  send(world, key_to({ip("169.254.169.254"), 80}), "x");
  const auto error = world.wait_icmp();
  REQUIRE(error);
  CHECK(error->icmp->code == 13);
  CHECK(world.peer.udp_flows.get() == 0);
}

TEST_CASE("a mapping that exists does not carry to a denied target either") {
  World world;
  Origin origin(SOCK_DGRAM);
  send(world, key_to(origin.endpoint()), "x");
  REQUIRE(wait_at(world, origin));
  send(world, key_to({ip("10.1.1.1"), 80}), "x");
  const auto error = world.wait_icmp();
  REQUIRE(error);
  CHECK(error->icmp->code == 13);
}

TEST_CASE("an idle mapping ends after two minutes, one towards port 53 after half a minute") {
  World world;
  Origin origin(SOCK_DGRAM);
  send(world, key_to(origin.endpoint(), 40001), "x");
  send(world, key_to({ip("127.0.0.1"), 53}, 40002), "x");
  world.turn();
  CHECK(world.peer.udp_open.get() == 2);
  world.advance(29s);
  CHECK(world.peer.udp_open.get() == 2);
  world.advance(4s);
  CHECK(world.peer.udp_open.get() == 1);
  world.advance(85s);
  CHECK(world.peer.udp_open.get() == 1);
  world.advance(5s);
  CHECK(world.peer.udp_open.get() == 0);
}

TEST_CASE("a mapping ends after its own idle time, also where that is shorter than port 53's") {
  proxy::Limits limits;
  limits.udp_idle = 2s;
  World world(World::config(), limits);
  Origin origin(SOCK_DGRAM);
  send(world, key_to(origin.endpoint(), 40001), "x");
  world.turn();
  CHECK(world.peer.udp_open.get() == 1);
  world.advance(4s);
  CHECK(world.peer.udp_open.get() == 0);
}

TEST_CASE("over its cap a client's own idlest mapping is recycled") {
  proxy::Limits limits;
  limits.udp_mappings = 2;
  World world(World::config(), limits);
  Origin origin(SOCK_DGRAM);
  const auto use = [&](std::uint16_t port) {
    send(world, key_to(origin.endpoint(), port), "x");
    world.turn();
    world.advance(2s);
  };
  use(40001), use(40002), use(40001), use(40003);
  CHECK(world.peer.udp_open.get() == 2);
  CHECK(world.peer.udp_flows.get() == 3);
  use(40001);  // was used after 40002, so it is still there
  CHECK(world.peer.udp_flows.get() == 3);
}

TEST_CASE("a client that refuses a reply closes its mapping") {
  World world;
  Origin origin(SOCK_DGRAM);
  const auto key = key_to(origin.endpoint());
  send(world, key, "x");
  const auto got = wait_at(world, origin);
  REQUIRE(got);
  origin.send(bytes_of("late"), got->second);
  const auto reply = world.wait_udp();
  REQUIRE(reply);
  ByteVector icmp(8);
  icmp[0] = std::byte{3}, icmp[1] = std::byte{3};
  icmp.insert(icmp.end(), reply->packet.begin(), reply->packet.begin() + 28);
  base::store_be16(&icmp[2], base::checksum_finish(base::checksum_add(icmp)));
  base::IpHeaderSpec spec;
  spec.source = key.client.address, spec.destination = key.server.address, spec.protocol = 1;
  world.inject(build_packet(spec, icmp));
  world.turn();
  CHECK(world.peer.udp_open.get() == 0);
}

TEST_CASE("a UDP forward carries datagrams to the client and its answers back") {
  World world;
  Origin listener(SOCK_DGRAM), remote(SOCK_DGRAM);
  world.proxy.add_forward({listener.fd.get(), base::Protocol::udp, {ip("10.8.0.2"), 5000}});
  remote.send(bytes_of("knock"), listener.endpoint());
  const auto in = world.wait_udp();
  REQUIRE(in);
  CHECK(in->text() == "knock");
  CHECK(in->udp->destination_port == 5000);
  send(world, {{ip("10.8.0.2"), 5000}, {in->ip.source, in->udp->source_port}, base::Protocol::udp},
       "who?");
  const auto got = wait_at(world, remote);
  REQUIRE(got);
  CHECK(text_of(got->first) == "who?");
  CHECK(got->second == listener.endpoint());
}
