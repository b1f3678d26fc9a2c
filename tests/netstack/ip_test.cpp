// The IP layer: addresses, TTL, fragments, UDP, ICMP.
#include "tests/support/catch.hpp"
#include "tests/support/tcp_client.hpp"

using namespace culvert;
using namespace culvert::test;

namespace {
const base::FlowKey udp4{endpoint("10.8.0.2", 5000), endpoint("198.51.100.7", 53),
                         base::Protocol::udp};
const base::FlowKey udp6{endpoint("fd08::2", 5000), endpoint("2001:db8::7", 53),
                         base::Protocol::udp};

base::IpHeaderSpec spec_of(const base::FlowKey& key, std::uint8_t protocol) {
  base::IpHeaderSpec spec;
  spec.source = key.client.address, spec.destination = key.server.address;
  spec.protocol = protocol;
  return spec;
}
}  // namespace

TEST_CASE("UDP passes up with any size, also none, and keeps its key and TTL") {
  const auto& key = GENERATE(from_range(std::vector{udp4, udp6}));
  const std::size_t size = GENERATE(std::size_t(0), std::size_t(1), std::size_t(1200));
  Wire wire;
  ByteVector got;
  int calls = 0;
  wire.when_udp = [&](const netstack::UdpDatagram& d) {
    ++calls;
    CHECK(d.key == key);
    CHECK(d.ttl == 63);
    got.assign(d.payload.begin(), d.payload.end());
  };
  const auto data = pattern(size);
  wire.inject(build_udp({key}, data));
  CHECK(calls == 1);
  CHECK(got == data);
}

TEST_CASE("fragments are joined in any order, and a long answer leaves in fragments") {
  const auto& key = GENERATE(from_range(std::vector{udp4, udp6}));
  const int order = GENERATE(0, 1, 2);
  Wire wire;
  ByteVector got;
  wire.when_udp = [&](const netstack::UdpDatagram& d) {
    got.assign(d.payload.begin(), d.payload.end());
  };
  const auto data = pattern(3000);
  auto parts = build_fragments(spec_of(key, 17), build_udp_upper({key}, data), 1000, 77);
  if (order == 1) std::reverse(parts.begin(), parts.end());
  if (order == 2) std::swap(parts[0], parts[1]), parts.push_back(parts[0]);
  for (const auto& part : parts) wire.inject(part);
  CHECK(got == data);

  wire.stack.send_udp(key, data);
  CHECK(wire.queue.size() == 3);
  CHECK(wire.mtu_seen <= 1420);
  ByteVector joined;
  while (auto sent = wire.next()) {
    REQUIRE(sent->ip.fragment);
    CHECK(sent->ip.fragment->offset == joined.size());
    joined.insert(joined.end(), sent->ip.payload.begin(), sent->ip.payload.end());
  }
  CHECK(ByteVector(joined.begin() + 8, joined.end()) == data);
}

TEST_CASE("an overlapping fragment condemns its datagram") {
  Wire wire;
  int calls = 0;
  wire.when_udp = [&](const netstack::UdpDatagram&) { ++calls; };
  const auto upper = build_udp_upper({udp4}, pattern(3000));
  const auto parts = build_fragments(spec_of(udp4, 17), upper, 1000, 77);
  auto overlapping = spec_of(udp4, 17);
  overlapping.id = 77;
  overlapping.fragment = base::FragmentInfo{77, 992, true};
  wire.inject(parts[0]);
  wire.inject(build_packet(overlapping, pattern(800)));
  for (const auto& part : parts) wire.inject(part);
  CHECK(calls == 0);
  CHECK(wire.counters.drops.get(base::Drop::fragment_refused) >= 1);
}

TEST_CASE("fragments are bounded per client, and a flood does not touch another client") {
  Wire wire;
  int calls = 0;
  wire.when_udp = [&](const netstack::UdpDatagram&) { ++calls; };
  base::FlowKey other = udp4;
  other.client.address = ip("10.8.0.9");
  const auto parts =
      build_fragments(spec_of(other, 17), build_udp_upper({other}, pattern(2000)), 1000, 5);
  wire.inject(parts[0]);
  for (std::uint32_t id = 0; id < 1000; ++id)
    wire.inject(
        build_fragments(spec_of(udp4, 17), build_udp_upper({udp4}, pattern(2000)), 1000, id)[0]);
  CHECK(wire.stack.usage().fragments == 65);
  for (std::size_t i = 1; i < parts.size(); ++i) wire.inject(parts[i]);
  CHECK(calls == 1);
}

TEST_CASE("an unfinished datagram is given up after 15 s, in IPv6 60 s, and the client is told") {
  const auto& key = GENERATE(from_range(std::vector{udp4, udp6}));
  Wire wire;
  wire.inject(build_fragments(spec_of(key, 17), build_udp_upper({key}, pattern(2000)), 1000, 5)[0]);
  wire.advance(std::chrono::seconds(key.client.address.is_v4() ? 14 : 59));
  CHECK(wire.stack.usage().fragments == 1);
  wire.advance(std::chrono::seconds(2));
  CHECK(wire.stack.usage().fragments == 0);
  CHECK(wire.stack.usage().fragment_bytes == 0);
  const auto sent = wire.next();
  REQUIRE(sent);
  REQUIRE(sent->icmp);
  CHECK(sent->icmp->type == (key.client.address.is_v4() ? 11 : 3));
  CHECK(sent->icmp->code == 1);
}

TEST_CASE("a TTL that ends here is reported from the tunnel address") {
  const auto& key = GENERATE(from_range(std::vector{udp4, udp6}));
  Wire wire;
  wire.inject(build_udp({key, 1}, pattern(20)));
  const auto sent = wire.next();
  REQUIRE(sent);
  REQUIRE(sent->icmp);
  const bool v4 = key.client.address.is_v4();
  CHECK(sent->ip.source == ip(v4 ? "10.8.0.1" : "fd08::1"));
  CHECK(sent->ip.destination == key.client.address);
  CHECK(sent->icmp->type == (v4 ? 11 : 3));
  CHECK(sent->icmp->code == 0);
  CHECK(wire.malformed == 0);
}

TEST_CASE("every ICMP error has its type and code, quotes the packet, and is limited in rate") {
  using E = netstack::IcmpError;
  struct Row {
    E error;
    int type4, code4, type6, code6;
  };
  const Row rows[] = {{E::net_unreachable, 3, 0, 1, 0},      {E::host_unreachable, 3, 1, 1, 3},
                      {E::protocol_unreachable, 3, 2, 4, 1}, {E::port_unreachable, 3, 3, 1, 4},
                      {E::prohibited, 3, 13, 1, 1},          {E::too_big, 3, 4, 2, 0},
                      {E::ttl_exceeded, 11, 0, 3, 0},        {E::reassembly_timeout, 11, 1, 3, 1}};
  Wire wire;
  for (const Row& row : rows) {
    for (const auto& key : {udp4, udp6}) {
      const auto packet = build_udp({key}, pattern(100));
      wire.stack.send_icmp_error(row.error, packet, {}, 1300);
      const auto sent = wire.next();
      REQUIRE(sent);
      REQUIRE(sent->icmp);
      const bool v4 = key.client.address.is_v4();
      CHECK(sent->icmp->type == (v4 ? row.type4 : row.type6));
      CHECK(sent->icmp->code == (v4 ? row.code4 : row.code6));
      CHECK(sent->icmp->rest == (row.error == E::too_big                       ? 1300u
                                 : row.error == E::protocol_unreachable && !v4 ? 6u
                                                                               : 0u));
      CHECK(std::equal(packet.begin(), packet.end(), sent->icmp->payload.begin()));
    }
  }
  CHECK(wire.malformed == 0);
  for (int i = 0; i < 100; ++i) wire.stack.send_icmp_error(E::prohibited, build_udp({udp4}, {}));
  CHECK(wire.queue.size() == 42);
  CHECK(wire.counters.drops.get(base::Drop::icmp_rate) == 58);
}

TEST_CASE("ping to the tunnel is answered, elsewhere it is an event, and the reply is built") {
  Wire wire;
  int events = 0;
  wire.when_echo = [&](const netstack::EchoRequest& e) {
    ++events;
    CHECK(e.key.client.port == 0x1234);
    CHECK(e.sequence == 9);
    CHECK(e.ttl == 63);
    wire.stack.send_echo_reply(e.key, e.sequence, e.payload, 0, 55);
  };
  for (const char* to : {"10.8.0.1", "198.51.100.7", "fd08::1", "2001:db8::7"}) {
    const auto server = ip(to);
    const auto client = ip(server.is_v4() ? "10.8.0.2" : "fd08::2");
    wire.inject(build_echo(client, server, 0x1234, 9, bytes_of("hello")));
    const auto sent = wire.next();
    REQUIRE(sent);
    REQUIRE(sent->icmp);
    CHECK(sent->ip.source == server);
    CHECK(sent->icmp->type == (server.is_v4() ? 0 : 129));
    CHECK(sent->icmp->identifier() == 0x1234);
    CHECK(sent->icmp->sequence() == 9);
    CHECK(text_of(sent->icmp->payload) == "hello");
  }
  CHECK(events == 2);
  CHECK(wire.malformed == 0);
}

TEST_CASE("broadcast, multicast, port 0, own source and rubbish are dropped and counted") {
  Wire wire;
  int calls = 0;
  wire.when_udp = [&](const netstack::UdpDatagram&) { ++calls; };
  for (const char* to : {"255.255.255.255", "224.0.0.1", "0.0.0.0", "ff02::1", "::"}) {
    base::FlowKey key = ip(to).is_v4() ? udp4 : udp6;
    key.server.address = ip(to);
    wire.inject(build_udp({key}, pattern(8)));
  }
  base::FlowKey own = udp4;
  own.client.address = ip("10.8.0.1");
  wire.inject(build_udp({own}, pattern(8)));
  CHECK(wire.counters.drops.get(base::Drop::bad_address) == 6);
  base::FlowKey zero = udp4;
  zero.server.port = 0;
  wire.inject(build_udp({zero}, pattern(8)));
  wire.inject(pattern(40));
  wire.inject({});
  CHECK(wire.counters.drops.get(base::Drop::malformed) == 3);
  CHECK(calls == 0);
  CHECK(wire.queue.empty());
}

TEST_CASE("an unknown protocol is answered with protocol unreachable") {
  Wire wire;
  wire.inject(build_packet(spec_of(udp4, 47), pattern(20)));
  const auto sent = wire.next();
  REQUIRE(sent);
  CHECK(sent->icmp->type == 3);
  CHECK(sent->icmp->code == 2);
  CHECK(wire.counters.drops.get(base::Drop::unsupported) == 1);
}

TEST_CASE("a client's port unreachable is reported for its own flows only") {
  Wire wire;
  base::FlowKey down = udp4;
  std::swap(down.client, down.server);
  const auto quoted = build_udp({down}, pattern(4));
  ByteVector upper(8);
  upper[0] = std::byte{3}, upper[1] = std::byte{3};
  upper.insert(upper.end(), quoted.begin(), quoted.end());
  base::store_be16(&upper[2], base::checksum_finish(base::checksum_add(upper)));
  auto spec = spec_of(udp4, 1);
  wire.inject(build_packet(spec, upper));
  REQUIRE(wire.refused.size() == 1);
  CHECK(wire.refused[0] == udp4);
  spec.source = ip("10.8.0.77");
  wire.inject(build_packet(spec, upper));
  CHECK(wire.refused.size() == 1);
}

TEST_CASE("a TCP segment that comes in fragments is taken") {
  Wire wire;
  Recorder owner;
  TcpClient client(wire, endpoint("10.8.0.2", 40000), endpoint("203.0.113.5", 443));
  REQUIRE(client.open(owner));
  const auto data = pattern(2000);
  const auto packet = client.build({.payload = data});
  auto spec = spec_of(client.key, 6);
  for (const auto& part : build_fragments(spec, base::Bytes(packet).subspan(20), 1000, 3))
    wire.inject(part);
  wire.flush();
  CHECK(owner.received == data);
}
