// Stops and quotas: where a client is stopped, what it still gets, and when it is let go.
#include "tests/proxy/recorded_world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
using namespace std::chrono_literals;
using F = base::TcpView;
using base::Drop;

namespace {

void set(base::PeerControls& controls, base::Stop stop) {
  controls.stop.set(std::uint64_t(stop));
}
std::uint64_t used(const World& world) {
  return world.peer.up_bytes.get() + world.peer.down_bytes.get();
}
// Writes to the client for as long as the connection lasts.
void pour(OpenFlow& flow) {
  const std::string data(1 << 16, 'd');
  flow.client.run_until([&] {
    while (::send(flow.host.get(), data.data(), data.size(), MSG_NOSIGNAL) > 0) continue;
    return flow.client.reset;
  });
}

}  // namespace

TEST_CASE("a stop resets flows on both sides, and new ones are refused at once") {
  RecordedWorld recorded;
  World& world = recorded.world;
  OpenFlow flow(world);
  Origin origin(SOCK_DGRAM);
  const base::FlowKey key{{ip("10.8.0.2"), 41000}, origin.endpoint(), base::Protocol::udp};
  world.inject(build_udp({.key = key}, bytes_of("x")));
  REQUIRE(world.run_until([&] { return bool(origin.receive()); }));

  set(world.controls, base::Stop::admission);
  world.advance(2s);  // it sends nothing, and is found all the same
  flow.client.receive();
  CHECK(flow.client.reset);
  CHECK(world.run_until([&] { return flow.read_host(), flow.error == ECONNRESET; }));
  CHECK(world.counters.udp_open.get() == 0);
  for (const auto& record : recorded.take()) CHECK(record.end == proxy::FlowRecord::End::forced);

  HandClient https(world, {flow.origin.endpoint().address, 443}, 40010);
  https.send(F::syn);
  world.settle();
  https.receive();
  CHECK(https.reset);
  world.inject(build_udp({.key = key}, bytes_of("y")));
  const auto prohibited = world.wait_icmp();
  REQUIRE(prohibited);
  CHECK(prohibited->icmp->type == 3);
  CHECK(prohibited->icmp->code == 13);
  world.inject(build_echo(ip("10.8.0.2"), ip("127.0.0.1"), 1, 1, {}));
  CHECK(world.wait_icmp()->icmp->code == 13);
  CHECK_FALSE(origin.receive());
  CHECK(world.peer.denials.get(Drop::client_stopped) == 3);
  CHECK(world.drops(Drop::client_stopped) == 3);

  set(world.controls, base::Stop::none);
  CHECK(HandClient(world, flow.origin.endpoint(), 40011).open());
}

TEST_CASE("a download stops at the quota to the packet") {
  RecordedWorld recorded;
  World& world = recorded.world;
  OpenFlow flow(world);
  world.controls.ceiling.set(1'000'000);
  pour(flow);
  CHECK(flow.client.reset);
  CHECK(used(world) >= 1'000'000);
  CHECK(used(world) < 1'000'000 + 2 * 1420);
  CHECK(world.counters.tcp_open.get() == 0);
  CHECK(world.drops(Drop::client_stopped) > 0);
}

TEST_CASE("an upload stops at the quota, and its origin gets a reset, not the rest") {
  RecordedWorld recorded;
  World& world = recorded.world;
  OpenFlow flow(world);
  world.controls.ceiling.set(300'000);
  const ByteVector data = pattern(1'000'000);
  std::size_t sent = 0, got = 0;
  flow.client.run_until([&] {
    sent += flow.client.send_some(
        base::Bytes(data).subspan(sent, std::min<std::size_t>(data.size() - sent, 30000)));
    got += flow.read_host().size();
    return flow.client.reset;
  });
  CHECK(flow.client.reset);
  CHECK(world.peer.tcp_up.get() < 300'000);
  CHECK(world.run_until([&] { return flow.read_host(), flow.error == ECONNRESET; }));
}

TEST_CASE("a client that is to be slowed over its quota is not stopped") {
  RecordedWorld recorded;
  World& world = recorded.world;
  OpenFlow flow(world);
  world.controls.over_down.set(1'000'000'000), world.controls.ceiling.set(1);
  flow.client.send(F::ack | F::psh, bytes_of("x"));
  CHECK(flow.client.run_until([&] { return flow.read_host() == "x"; }));
  CHECK(world.drops(Drop::client_stopped) == 0);
}

TEST_CASE("of a stop with thousands of flows a bounded number of resets leaves") {
  RecordedWorld recorded;
  World& world = recorded.world;
  Origin origin(SOCK_STREAM);
  ::listen(origin.fd.get(), 1024);
  for (std::uint16_t port = 20000; port < 20600; ++port)
    REQUIRE(HandClient(world, origin.endpoint(), port).open());
  world.queue.clear();
  set(world.controls, base::Stop::expired);
  world.advance(2s);
  CHECK(world.counters.tcp_open.get() == 0);
  CHECK(world.queue.size() == 512);
}

TEST_CASE("a forward is refused while its client is stopped") {
  RecordedWorld recorded;
  World& world = recorded.world;
  set(world.controls, base::Stop::hours);
  Origin tcp(SOCK_STREAM), udp(SOCK_DGRAM), remote(SOCK_DGRAM);
  world.proxy.add_forward({tcp.fd.get(), base::Protocol::tcp, {ip("10.8.0.2"), 80}});
  world.proxy.add_forward({udp.fd.get(), base::Protocol::udp, {ip("10.8.0.2"), 80}});
  const auto caller = proxy::open_socket(ip("127.0.0.1"), SOCK_STREAM);
  proxy::connect_to(caller.get(), tcp.endpoint());
  remote.send(bytes_of("x"), udp.endpoint());
  char byte;
  CHECK(world.run_until(
      [&] { return ::recv(caller.get(), &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET; }));
  CHECK(world.run_until([&] { return world.drops(Drop::client_stopped) == 2; }));
  CHECK(world.queue.empty());
}

TEST_CASE("what passes from client to client asks for both of them") {
  RecordedWorld recorded;
  World& world = recorded.world;
  base::PeerCounters other_counters;
  base::PeerControls other_controls;
  proxy::ClientConfig other;
  other.addresses = {*base::Prefix::parse("10.8.0.3/32")};
  other.controls = &other_controls;
  world.proxy.add_client(other, other_counters, world.now);
  const ByteVector packet = build_echo(ip("10.8.0.2"), ip("10.8.0.3"), 1, 1, {});
  CHECK(world.proxy.may_send(packet));
  CHECK(world.proxy.may_receive(packet));
  set(other_controls, base::Stop::quota);
  CHECK(world.proxy.may_send(packet));
  CHECK_FALSE(world.proxy.may_receive(packet));
  CHECK(other_counters.denials.get(Drop::client_stopped) == 1);
  set(world.controls, base::Stop::quota);
  CHECK_FALSE(world.proxy.may_send(packet));
}

TEST_CASE("a group's members share its quota, charged in pieces of 16 KiB") {
  std::array<base::GroupControls, 2> groups;
  auto config = World::config();
  config.groups = groups;
  World world(config);
  base::PeerCounters other_counters;
  base::PeerControls other_controls;
  other_controls.group.set(2), world.controls.group.set(2);
  proxy::ClientConfig other;
  other.addresses = {*base::Prefix::parse("10.8.0.3/32")};
  other.controls = &other_controls;
  world.proxy.add_client(other, other_counters, world.now);

  OpenFlow flow(world);
  const std::string data(10'000, 'd');
  const auto charged = [&] { return groups[1].used.load(); };
  std::size_t sent = 0;
  flow.client.run_until([&] {
    const ssize_t n = ::send(flow.host.get(), data.data(), data.size(), MSG_NOSIGNAL);
    sent += n > 0 ? std::size_t(n) : 0;
    return flow.client.received.size() >= 200'000;
  });
  CHECK(charged() + (16 << 10) >= used(world) - 3 * 60);
  CHECK(charged() <= used(world));
  CHECK(groups[0].used.load() == 0);
  world.advance(2s);
  const auto settled = charged();
  CHECK(settled >= used(world) - 3 * 60);

  groups[1].ceiling.set(settled + 100'000);
  other_counters.down_bytes.add(50'000);  // the other member's packets, seen by its next one
  world.inject(build_echo(ip("10.8.0.3"), ip("10.8.0.1"), 1, 1, {}));
  const auto before = used(world);
  pour(flow);
  CHECK(flow.client.reset);
  CHECK(used(world) - before < 50'000 + 2 * 1420);
  CHECK(used(world) - before > 40'000);
  groups[1].ceiling.set(0);
  CHECK(HandClient(world, flow.origin.endpoint(), 40020).open());
}

TEST_CASE("what is owed to a group is charged also where there is no flow and nothing else to do") {
  std::array<base::GroupControls, 1> groups;
  auto config = World::config();
  config.groups = groups;
  World world(config);
  world.controls.group.set(1);
  const auto ping = [&] { world.inject(build_echo(ip("10.8.0.2"), ip("10.8.0.1"), 1, 1, {})); };
  ping();  // is a member from now on
  world.advance(10s);
  const auto before = used(world);
  ping();
  world.advance(2s);
  CHECK(used(world) > before);
  CHECK(groups[0].used.load() >= used(world) - before);
}
