// New addresses, policy and limits of a client that is being served.
#include "tests/proxy/recorded_world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
using namespace std::chrono_literals;
using F = base::TcpView;
using End = proxy::FlowRecord::End;

namespace {

proxy::ClientConfig config_of(const World& world) {
  return world.client->config;
}
proxy::EgressRules deny(const std::string& rule) {
  proxy::EgressRules rules;
  rules.deny.push_back(*proxy::EgressRule::parse(rule));
  return rules;
}
bool goes_on(OpenFlow& flow) {
  flow.client.send(F::ack | F::psh, bytes_of("more"));
  std::string got;
  return flow.client.run_until([&] { return (got += flow.read_host()) == "more"; });
}

}  // namespace

TEST_CASE("a client's new egress rules end what they deny and leave the rest alone") {
  RecordedWorld recorded;
  World& world = recorded.world;
  OpenFlow denied(world, 40001), kept(world, 40002);
  auto config = config_of(world);
  config.egress = std::make_shared<proxy::EgressRules>(
      deny("127.0.0.1:" + std::to_string(denied.origin.endpoint().port)));
  world.proxy.update_client(*world.client, config);
  denied.client.receive();
  CHECK(denied.client.reset);
  CHECK(world.run_until([&] { return denied.read_host(), denied.error == ECONNRESET; }));
  CHECK(goes_on(kept));
  const auto records = recorded.take();
  REQUIRE(records.size() == 1);
  CHECK(records[0].end == End::forced);
  HandClient again(world, denied.origin.endpoint(), 40003);
  again.send(F::syn);
  world.settle();
  CHECK(world.drops(base::Drop::egress_denied) == 1);
}

TEST_CASE("new global rules hold for flows at once, in both protocols") {
  RecordedWorld recorded;
  World& world = recorded.world;
  OpenFlow flow(world);
  Origin a(SOCK_DGRAM), b(SOCK_DGRAM);
  for (Origin* origin : {&a, &b}) {
    const base::FlowKey key{{ip("10.8.0.2"), 41000}, origin->endpoint(), base::Protocol::udp};
    world.inject(build_udp({.key = key}, bytes_of("x")));
    REQUIRE(world.run_until([&] { return bool(origin->receive()); }));
  }
  proxy::EgressRules rules = World::config().egress;
  rules.deny.push_back(
      *proxy::EgressRule::parse("127.0.0.1:" + std::to_string(a.endpoint().port) + "/udp"));
  world.proxy.update_policy(rules, {});
  CHECK(goes_on(flow));
  CHECK(recorded.list().size() == 2);  // TCP, and b
  CHECK(recorded.take().size() == 1);
  world.proxy.update_policy({}, {});
  flow.client.receive();
  CHECK(flow.client.reset);
  CHECK(recorded.list().empty());
  CHECK(world.counters.udp_open.get() == 0);
}

TEST_CASE("an address that goes to another client ends its flows, and stays there") {
  RecordedWorld recorded;
  World& world = recorded.world;
  OpenFlow flow(world);
  base::PeerCounters other_counters;
  proxy::ClientConfig other;
  other.slot = 7;
  other.addresses = {*base::Prefix::parse("10.8.0.3/32")};
  proxy::Client& second = world.proxy.add_client(other, other_counters, world.now);
  CHECK(world.proxy.find_client_by_slot(7) == &second);
  CHECK(world.proxy.find_client_by_slot(8) == nullptr);

  other.addresses = {*base::Prefix::parse("10.8.0.2/32")};
  world.proxy.update_client(second, other);
  flow.client.receive();
  CHECK(flow.client.reset);
  CHECK(world.client->config.addresses.size() == 1);
  world.proxy.update_client(*world.client, config_of(world));  // does not take it back
  OpenFlow next(world, 40005);
  CHECK(next.client.established);
  CHECK(other_counters.tcp_flows.get() == 1);
}

TEST_CASE("new limits hold at once") {
  RecordedWorld recorded;
  World& world = recorded.world;
  OpenFlow first(world, 40001);
  auto config = config_of(world);
  config.limits.tcp_flows = 1;
  world.proxy.update_client(*world.client, config);
  CHECK(goes_on(first));
  HandClient second(world, first.origin.endpoint(), 40002);
  second.send(F::syn);
  world.settle();
  CHECK(world.drops(base::Drop::flow_cap) == 1);
  CHECK(world.peer.denials.get(base::Drop::flow_cap) == 1);
  config.limits.tcp_flows = 10;
  world.proxy.update_client(*world.client, config);
  CHECK(HandClient(world, first.origin.endpoint(), 40003).open());
}
