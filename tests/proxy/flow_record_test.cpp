// What flows tell of themselves: every byte and every packet, once.
#include "tests/proxy/recorded_world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
using namespace std::chrono_literals;
using F = base::TcpView;
using End = proxy::FlowRecord::End;
using State = proxy::FlowRecord::State;

namespace {

base::FlowKey udp_to(const base::Endpoint& server) {
  return {{ip("10.8.0.2"), 40000}, server, base::Protocol::udp};
}
void exchange(World& world, Origin& origin, std::string_view question, std::string_view answer) {
  world.inject(build_udp({.key = udp_to(origin.endpoint())}, bytes_of(question)));
  std::optional<std::pair<ByteVector, base::Endpoint>> got;
  REQUIRE(world.run_until([&] { return bool(got = origin.receive()); }));
  if (answer.empty()) return;
  origin.send(bytes_of(answer), got->second);
  REQUIRE(world.wait_udp());
}

}  // namespace

TEST_CASE("a TCP flow's record holds every packet of the tunnel and every byte of payload once") {
  RecordedWorld recorded;
  World& world = recorded.world;
  {
    OpenFlow flow(world);
    flow.client.send(F::ack | F::psh, bytes_of("hello"));
    CHECK(flow.client.run_until([&] { return flow.read_host() == "hello"; }));
    flow.client.next -= 5;
    flow.client.send(F::ack | F::psh, bytes_of("hello"));  // a repetition
    ::send(flow.host.get(), "goodbye", 7, 0);
    CHECK(flow.client.run_until([&] { return flow.client.received.size() == 7; }));
    CHECK(recorded.take().empty());
    const auto open = recorded.list();
    REQUIRE(open.size() == 1);
    CHECK(open[0].end == End::none);
    CHECK(open[0].state == State::open);
    ::shutdown(flow.host.get(), SHUT_WR);
    CHECK(flow.client.run_until([&] { return flow.client.fin; }));
    CHECK(recorded.list()[0].state == State::half_closed);
    flow.client.send(F::ack | F::fin);
    CHECK(flow.client.run_until([&] { return world.counters.tcp_open.get() == 0; }));
  }
  const auto records = recorded.take();
  REQUIRE(records.size() == 1);
  const proxy::FlowRecord& r = records[0];
  CHECK(r.end == End::finished);
  CHECK(r.state == State::closed);
  CHECK_FALSE(r.forward);
  CHECK(r.up.payload == 5);
  CHECK(r.down.payload == 7);
  CHECK(world.peer.tcp_up.get() == 5);
  CHECK(world.peer.tcp_down.get() == 7);
  CHECK(r.up.packets == world.peer.up_packets.get());
  CHECK(r.up.bytes == world.peer.up_bytes.get());
  CHECK(r.down.packets == world.peer.down_packets.get());
  CHECK(r.down.bytes == world.peer.down_bytes.get());
  CHECK(r.started == (RecordedWorld::epoch + 3600) * 1'000'000'000);
  CHECK(recorded.list().empty());
}

TEST_CASE("large transfers are counted to the byte") {
  RecordedWorld recorded;
  OpenFlow flow(recorded.world);
  const ByteVector data = pattern(700'000);
  std::size_t up = 0, down = 0, at_host = 0;
  CHECK(flow.client.run_until([&] {
    up += flow.client.send_some(
        base::Bytes(data).subspan(up, std::min<std::size_t>(data.size() - up, 60000)));
    at_host += flow.read_host().size();
    const ssize_t n = ::send(flow.host.get(), data.data() + down, data.size() - down, MSG_NOSIGNAL);
    if (n > 0) down += std::size_t(n);
    return at_host == data.size() && flow.client.received.size() == data.size();
  }));
  CHECK(recorded.world.peer.tcp_up.get() == data.size());
  CHECK(recorded.world.peer.tcp_down.get() == data.size());
  flow.client.send(F::rst | F::ack);
  recorded.world.settle();
  const auto records = recorded.take();
  REQUIRE(records.size() == 1);
  CHECK(records[0].up.payload == data.size());
  CHECK(records[0].down.payload == data.size());
  CHECK(records[0].end == End::finished);
}

TEST_CASE("a dial that fails has a record that says so") {
  RecordedWorld recorded;
  base::Endpoint closed;
  {
    Origin gone(SOCK_STREAM);
    closed = gone.endpoint();
  }
  HandClient client(recorded.world, closed);
  CHECK_FALSE(client.open());
  const auto records = recorded.take();
  REQUIRE(records.size() == 1);
  CHECK(records[0].state == State::dialling);
  CHECK(records[0].end == End::finished);
  CHECK(records[0].up.packets == 1);
  CHECK(records[0].down.packets == 0);
}

TEST_CASE("a denied connection has no record, but is counted by its reason") {
  RecordedWorld recorded;
  HandClient client(recorded.world, {ip("10.1.2.3"), 80});
  client.send(F::syn);
  recorded.world.settle();
  CHECK(recorded.take().empty());
  CHECK(recorded.world.peer.denials.get(base::Drop::egress_denied) == 1);
  CHECK(recorded.world.peer.denied.get() == recorded.world.peer.denials.total());
}

TEST_CASE("a flow that idles out says so; one that lasts is told of at intervals with traffic") {
  RecordedWorld recorded;
  World& world = recorded.world;
  OpenFlow flow(world);
  world.advance(310s);
  auto records = recorded.take();
  REQUIRE(records.size() == 1);
  CHECK(records[0].end == End::interim);
  const auto id = records[0].id, started = std::uint64_t(records[0].started);
  world.advance(600s);
  CHECK(recorded.take().empty());  // nothing passed
  flow.client.send(F::ack | F::psh, bytes_of("x"));
  world.turn();
  world.advance(310s);
  records = recorded.take();
  REQUIRE(records.size() == 1);
  CHECK(records[0].id == id);
  CHECK(std::uint64_t(records[0].started) == started);
  CHECK(records[0].up.payload == 1);
  world.advance(7500s);
  records = recorded.take();
  REQUIRE(records.size() == 1);
  CHECK(records[0].end == End::idle);
  CHECK(records[0].id == id);
  CHECK(records[0].last < records[0].started + 1300 * 1'000'000'000ll);
}

TEST_CASE("a UDP mapping has one record for each origin, and it counts fragments") {
  RecordedWorld recorded;
  World& world = recorded.world;
  Origin a(SOCK_DGRAM), b(SOCK_DGRAM);
  exchange(world, a, "1", "one");
  exchange(world, b, "22", "");
  exchange(world, a, "333", "three");
  const std::string large(3000, 'l');
  a.send(bytes_of(large), {ip("127.0.0.1"), 40000});
  REQUIRE(world.run_until([&] { return world.peer.udp_down.get() == 3008; }));
  CHECK(world.peer.udp_up.get() == 6);
  CHECK(recorded.list().size() == 2);
  world.advance(130s);
  const auto records = recorded.take();
  REQUIRE(records.size() == 2);
  const proxy::FlowRecord& of_a = records[0].key.server == a.endpoint() ? records[0] : records[1];
  const proxy::FlowRecord& of_b = records[0].key.server == a.endpoint() ? records[1] : records[0];
  CHECK(of_a.end == End::idle);
  CHECK(of_a.up.payload == 4);
  CHECK(of_a.up.packets == 2);
  CHECK(of_a.up.bytes == 4 + 2 * 28);
  CHECK(of_a.down.payload == 3008);
  CHECK(of_a.down.packets == 2 + 3);  // 3000 bytes leave in three fragments
  CHECK(of_b.up.payload == 2);
  CHECK(of_b.down.packets == 0);
  CHECK(of_a.id != of_b.id);
  CHECK(of_a.down.bytes == world.peer.down_bytes.get());
}

TEST_CASE("an origin that makes room for another in a mapping leaves its record") {
  RecordedWorld recorded;
  World& world = recorded.world;
  for (std::uint16_t port = 1; port <= 40; ++port)
    world.inject(build_udp({.key = udp_to({ip("127.0.0.1"), port})}, bytes_of("x")));
  world.turn();
  const auto records = recorded.take();
  REQUIRE(records.size() == 8);
  CHECK(records[0].end == End::lack);
  CHECK(records[0].key.server.port == 1);
  CHECK(recorded.list().size() == 32);
}

TEST_CASE("a ping has a record for each origin, in packets and payload") {
  if (!proxy::Proxy::echo_available(nullptr)) return;
  RecordedWorld recorded;
  World& world = recorded.world;
  for (std::uint16_t sequence = 1; sequence <= 3; ++sequence) {
    world.inject(build_echo(ip("10.8.0.2"), ip("127.0.0.1"), 7, sequence, bytes_of("ping!")));
    REQUIRE(world.wait_icmp());
  }
  world.advance(40s);
  const auto records = recorded.take();
  REQUIRE(records.size() == 1);
  CHECK(records[0].key.client.port == 7);
  CHECK(records[0].key.protocol == base::Protocol::icmp);
  CHECK(records[0].up.packets == 3);
  CHECK(records[0].up.bytes == 3 * 33);
  CHECK(records[0].down.packets == 3);
  CHECK(records[0].down.payload == 15);
}

TEST_CASE("a full ring is counted, and nothing else happens") {
  RecordedWorld recorded;
  while (recorded.ring->push({})) continue;
  {
    OpenFlow flow(recorded.world);
    flow.client.send(F::rst | F::ack);
    recorded.world.settle();
  }
  CHECK(recorded.world.drops(base::Drop::record_lost) == 1);
  CHECK(recorded.world.counters.tcp_open.get() == 0);
}

TEST_CASE("a removed client's flows are told of as forced") {
  RecordedWorld recorded;
  OpenFlow flow(recorded.world);
  recorded.world.proxy.remove_client(*recorded.world.client);
  const auto records = recorded.take();
  REQUIRE(records.size() == 1);
  CHECK(records[0].end == End::forced);
  CHECK(records[0].down.packets == recorded.world.peer.down_packets.get());  // the RST as well
}

TEST_CASE("what a forward carries is counted as the client's, and marked") {
  RecordedWorld recorded;
  World& world = recorded.world;
  Origin listener(SOCK_DGRAM), remote(SOCK_DGRAM);
  world.proxy.add_forward({listener.fd.get(), base::Protocol::udp, {ip("10.8.0.2"), 53}});
  remote.send(bytes_of("query"), listener.endpoint());
  const auto query = world.wait_udp();
  REQUIRE(query);
  const base::FlowKey back{
      {ip("10.8.0.2"), 53}, {query->ip.source, query->udp->source_port}, base::Protocol::udp};
  world.inject(build_udp({.key = back}, bytes_of("answer")));
  REQUIRE(world.run_until([&] { return bool(remote.receive()); }));
  CHECK(world.peer.udp_down.get() == 5);
  CHECK(world.peer.udp_up.get() == 6);
  world.advance(130s);
  const auto records = recorded.take();
  REQUIRE(records.size() == 1);
  CHECK(records[0].forward);
  CHECK(records[0].up.payload == 6);
  CHECK(records[0].down.payload == 5);
}
