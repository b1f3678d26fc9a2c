// Ways around the resolver, flows to what it did not name, and the names that flows carry.
#include "proxy/dns_bypass.hpp"

#include "tests/proxy/dns_world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
using namespace std::chrono_literals;
using F = base::TcpView;
using base::Drop;
using base::Protocol;

namespace {

dns::Policy filtering() {
  dns::Policy policy;
  policy.block = {"bad.example"};
  return policy;
}
dns::Policy only_handed_out() {
  dns::Policy policy;
  policy.only_handed_out = true;
  return policy;
}
base::Endpoint end(const char* text) {
  return *base::Endpoint::parse(text);
}
// What a datagram to `server` is answered with by ICMP, as its type and code; 0 = nothing.
int answer_to(World& world, const char* server, const char* from = "10.8.0.2") {
  const base::FlowKey key{{ip(from), 6000}, end(server), Protocol::udp};
  world.inject(build_udp({.key = key}, bytes_of("x")));
  world.turn();
  const auto icmp = world.find([](const Sent& sent) { return bool(sent.icmp); });
  return icmp ? icmp->icmp->type << 8 | icmp->icmp->code : 0;
}
constexpr int port_unreachable4 = 3 << 8 | 3, prohibited4 = 3 << 8 | 13,
              port_unreachable6 = 1 << 8 | 4;

}  // namespace

TEST_CASE("encrypted DNS is known by its port, and by its address at port 443") {
  using proxy::leads_around_dns;
  CHECK(leads_around_dns(end("192.0.2.1:853"), Protocol::tcp));
  CHECK(leads_around_dns(end("[2001:db8::1]:853"), Protocol::udp));
  CHECK(leads_around_dns(end("192.0.2.1:8853"), Protocol::udp));
  CHECK(leads_around_dns(end("192.0.2.1:784"), Protocol::udp));
  CHECK_FALSE(leads_around_dns(end("192.0.2.1:784"), Protocol::tcp));
  CHECK_FALSE(leads_around_dns(end("192.0.2.1:443"), Protocol::tcp));
  CHECK(leads_around_dns(end("1.1.1.1:443"), Protocol::tcp));
  CHECK(leads_around_dns(end("1.1.1.1:443"), Protocol::udp));
  CHECK(leads_around_dns(end("[2606:4700:4700::1111]:443"), Protocol::tcp));
  CHECK(leads_around_dns(end("[64:ff9b::1.1.1.1]:443"), Protocol::tcp));
  CHECK_FALSE(leads_around_dns(end("1.1.1.1:80"), Protocol::tcp));
  CHECK_FALSE(leads_around_dns(end("1.1.1.1:0"), Protocol::icmp));
}

TEST_CASE("where a policy filters, encrypted DNS is refused at once") {
  DnsWorld dns({}, filtering());
  World& world = dns.world;
  HandClient dot(world, end("192.0.2.1:853"), 40001), doh(world, end("1.1.1.1:443"), 40002);
  CHECK_FALSE(dot.open());
  CHECK(dot.reset);
  CHECK_FALSE(doh.open());
  CHECK(doh.reset);
  CHECK(answer_to(world, "192.0.2.1:853") == port_unreachable4);
  CHECK(answer_to(world, "[2001:db8::1]:853", "fd08::2") == port_unreachable6);
  CHECK(world.peer.denials.get(Drop::dns_bypass) == 4);
  CHECK(dns.counters.bypass_refused.get() == 4);
  CHECK(world.counters.dials.get() == 0);
  // The configured server is asked as well by phones: it refuses whatever the policy.
  HandClient own(world, end("10.8.0.1:853"), 40003);
  CHECK_FALSE(own.open());
  CHECK(own.reset);
}

TEST_CASE("who is not filtered may use encrypted DNS") {
  DnsWorld dns;
  answer_to(dns.world, "127.0.0.1:853");
  CHECK(dns.world.drops(Drop::dns_bypass) == 0);
  CHECK(dns.world.peer.udp_flows.get() == 1);
}

TEST_CASE("what the configuration passes may be asked in every way") {
  dns::Settings passing;
  passing.pass = {*base::Prefix::parse("127.0.0.1/32")};
  DnsWorld dns(passing, filtering());
  answer_to(dns.world, "127.0.0.1:853");
  CHECK(dns.world.drops(Drop::dns_bypass) == 0);
  CHECK(answer_to(dns.world, "127.0.0.2:853") == port_unreachable4);
}

TEST_CASE("a mapping that is open does not carry encrypted DNS either") {
  DnsWorld dns({}, filtering());
  answer_to(dns.world, "127.0.0.1:9");
  CHECK(dns.world.peer.udp_flows.get() == 1);
  CHECK(answer_to(dns.world, "127.0.0.1:853") == port_unreachable4);
}

TEST_CASE("only addresses that our answers held may be reached, where a policy wants it") {
  dns::Settings settings;
  settings.pass = {*base::Prefix::parse("198.51.100.0/24")};
  DnsWorld dns(settings, only_handed_out());
  World& world = dns.world;
  CHECK(answer_to(world, "192.0.2.7:9") == prohibited4);
  HandClient client(world, end("192.0.2.7:80"));
  CHECK_FALSE(client.open());
  world.settle();
  world.inject(build_echo(ip("10.8.0.2"), ip("192.0.2.7"), 0x1234, 7, bytes_of("ping")));
  world.turn();
  CHECK(world.peer.denials.get(Drop::not_handed_out) == 3);
  CHECK(dns.counters.not_handed_out.get() == 3);

  dns.ask("8.8.8.8", "a.example");
  dns.upstream.answer("a.example", 7);
  REQUIRE(dns.next_udp());
  answer_to(world, "192.0.2.7:9");
  CHECK(world.peer.denials.get(Drop::not_handed_out) == 3);
  CHECK(world.peer.udp_flows.get() == 1);
  // A rule of the operator, a destination that passes, and the tunnel address need no name.
  answer_to(world, "127.0.0.1:9");
  answer_to(world, "198.51.100.1:9");
  CHECK(answer_to(world, "10.8.0.1:9") == port_unreachable4);
  CHECK(world.peer.denials.get(Drop::not_handed_out) == 3);
  CHECK(answer_to(world, "192.0.2.8:9") == prohibited4);
}

TEST_CASE("a flow that runs goes on when its address is forgotten") {
  DnsWorld dns({}, only_handed_out());
  dns.ask("8.8.8.8", "a.example");
  dns.upstream.answer("a.example", 7);
  REQUIRE(dns.next_udp());
  for (int minute = 0; minute < 60; ++minute) {
    answer_to(dns.world, "192.0.2.7:9");
    dns.world.advance(60s);
    dns.resolver.tick(dns.world.now);
  }
  CHECK(dns.world.peer.denials.get(Drop::not_handed_out) == 0);
  CHECK(dns.world.peer.udp_flows.get() == 1);
}

TEST_CASE("a flow says which name led to it, if the client's names are logged in full") {
  for (const auto privacy : {dns::LogPrivacy::full, dns::LogPrivacy::blocked}) {
    dns::Policy policy;
    policy.log = privacy;
    DnsWorld dns({}, policy);
    dns.ask("8.8.8.8", "www.a.example");
    dns.upstream.answer("www.a.example", 7);
    REQUIRE(dns.next_udp());
    answer_to(dns.world, "192.0.2.7:9");
    answer_to(dns.world, "127.0.0.1:9");
    std::map<std::string, std::string> domains;
    for (const proxy::FlowRecord& flow : dns.recorded.list())
      domains[flow.key.server.to_string()] = std::string(flow.domain());
    const std::string expected = privacy == dns::LogPrivacy::full ? "www.a.example" : "";
    CHECK(domains["192.0.2.7:9"] == expected);
    CHECK(domains["127.0.0.1:9"].empty());
  }
}

TEST_CASE("of a name that is too long for a record the end is kept") {
  proxy::FlowRecord record;
  record.set_domain(std::string(200, 'x') + ".example");
  CHECK(record.domain() == std::string(119, 'x') + ".example");
  record.set_domain("");
  CHECK(record.domain().empty());
  record.domain_size = 255;  // as a worker could write it
  CHECK(record.domain().size() == 127);
}
