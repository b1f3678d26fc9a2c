// DNS of clients: who is answered by the resolver, from where, and what of it goes past.
#include "tests/proxy/dns_world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
using namespace std::chrono_literals;
using F = base::TcpView;

namespace {

// The answer to dns_query() that Sent carries: its ID, and the last octet of its address.
std::pair<int, int> meaning(base::Bytes message) {
  REQUIRE(message.size() > 12);
  return {base::load_be16(message.data()), std::to_integer<int>(message.back())};
}
std::pair<int, int> meaning(const Sent& sent) {
  return meaning(sent.udp->payload);
}
using Said = std::pair<int, int>;

// What has come on a connection, message by message.
std::vector<ByteVector> messages(const HandClient& client) {
  std::vector<ByteVector> all;
  base::Bytes rest = client.received;
  while (rest.size() >= 2 && rest.size() >= 2 + std::size_t(base::load_be16(rest.data()))) {
    const std::size_t size = base::load_be16(rest.data());
    all.emplace_back(rest.begin() + 2, rest.begin() + 2 + std::ptrdiff_t(size));
    rest = rest.subspan(2 + size);
  }
  return all;
}
void ask(HandClient& client, std::string_view name, std::uint16_t id) {
  client.send(F::ack | F::psh, framed(dns_query(name, id)));
}
dns::Settings with_connections(std::uint64_t most) {
  dns::Settings settings;
  settings.limits.tcp_connections = most;
  return settings;
}

}  // namespace

TEST_CASE("whatever resolver a client asks, the answer comes from that address") {
  DnsWorld dns;
  for (const char* server : {"8.8.8.8", "192.168.1.1", "10.8.0.1"}) {
    CHECK_FALSE(dns.ask(server, "a.example"));
    dns.upstream.answer("a.example", 7);
    const auto answer = dns.next_udp();
    REQUIRE(answer);
    CHECK(answer->ip.source == ip(server));
    CHECK(answer->udp->source_port == 53);
    CHECK(answer->udp->destination_port == 5353);
    CHECK(meaning(*answer) == Said{0xabcd, 7});
    dns.resolver.flush_cache();
  }
  dns.ask("2001:db8::53", "a.example", 1, "fd08::2");
  dns.upstream.answer("a.example", 8);
  const auto answer = dns.next_udp();
  REQUIRE(answer);
  CHECK(answer->ip.source == ip("2001:db8::53"));
  CHECK(meaning(*answer) == Said{1, 8});
  CHECK(dns.world.peer.udp_flows.get() == 0);
  CHECK(dns.counters.queries_udp.get() == 4);
}

TEST_CASE("a large answer comes in fragments, and what has no room is truncated") {
  DnsWorld dns;
  dns.ask("8.8.8.8", "large.example");
  dns.upstream.answer("large.example", 7, 100);
  const auto answer = dns.next_udp();
  REQUIRE(answer);
  CHECK((std::to_integer<int>(answer->udp->payload[2]) & 2) == 2);  // TC
  CHECK(answer->udp->payload.size() < 512);
}

TEST_CASE("with interception off, and where it is told so, only the tunnel address answers") {
  dns::Settings off, passing;
  off.intercept = false;
  passing.pass = {*base::Prefix::parse("127.0.0.0/8")};
  for (const dns::Settings& settings : {off, passing}) {
    DnsWorld dns(settings);
    CHECK_FALSE(dns.ask("10.8.0.1", "a.example"));
    dns.upstream.answer("a.example", 7);
    CHECK(dns.next_udp());
    dns.ask("127.0.0.1", "b.example");
    CHECK(dns.upstream.asked.empty());
    CHECK(dns.world.peer.udp_flows.get() == 1);
  }
}

TEST_CASE("new settings hold for the next question") {
  dns::Settings passing;
  passing.pass = {*base::Prefix::parse("127.0.0.0/8")};
  DnsWorld changed;
  changed.world.proxy.update_dns(passing);
  changed.ask("127.0.0.1", "b.example");
  CHECK(changed.upstream.asked.empty());
}

TEST_CASE("strangers are not answered") {
  DnsWorld dns;
  dns.ask("8.8.8.8", "a.example", 1, "10.8.0.99");
  CHECK(dns.upstream.asked.empty());
  CHECK(dns.world.drops(base::Drop::unknown_client) == 1);
}

TEST_CASE("where nobody serves DNS the tunnel address refuses it") {
  World plain;
  const base::FlowKey key{{ip("10.8.0.2"), 5353}, {ip("10.8.0.1"), 53}, base::Protocol::udp};
  plain.inject(build_udp({.key = key}, dns_query("a.example")));
  CHECK(plain.wait_icmp());
}

TEST_CASE("a client that is stopped gets the notice, and no answer to what it asked before") {
  DnsWorld dns;
  dns.ask("8.8.8.8", "a.example");
  HandClient tcp(dns.world, {ip("8.8.8.8"), 53});
  REQUIRE(tcp.open());
  dns.world.controls.stop.set(std::uint64_t(base::Stop::quota));
  const auto notice = dns.ask("8.8.8.8", "b.example");
  REQUIRE(notice);
  CHECK(meaning(*notice) == Said{0xabcd, 1});  // 10.8.0.1
  dns.upstream.answer("a.example", 7);
  CHECK_FALSE(dns.next_udp());
  ask(tcp, "c.example", 3);
  CHECK(tcp.run_until([&] { return tcp.reset; }));
  CHECK(dns.upstream.asked.empty());
}

TEST_CASE("questions on a connection come in pieces and many at once") {
  DnsWorld dns;
  HandClient client(dns.world, {ip("8.8.8.8"), 53});
  REQUIRE(client.open());
  for (const std::byte each : framed(dns_query("a.example", 1)))
    client.send(F::ack | F::psh, base::Bytes(&each, 1));
  ByteVector both = framed(dns_query("b.example", 2)), more = framed(dns_query("c.example", 3));
  both.insert(both.end(), more.begin(), more.end());
  client.send(F::ack | F::psh, both);
  dns.world.turn();
  REQUIRE(dns.upstream.asked.size() == 3);
  dns.upstream.answer("c.example", 30);  // out of order, as they are known
  dns.upstream.answer("a.example", 10);
  CHECK(client.run_until([&] { return messages(client).size() == 2; }));
  CHECK(meaning(messages(client)[0]) == Said{3, 30});
  CHECK(meaning(messages(client)[1]) == Said{1, 10});
  dns.upstream.answer("b.example", 20);
  CHECK(client.run_until([&] { return messages(client).size() == 3; }));
  CHECK(meaning(messages(client)[2]) == Said{2, 20});
  CHECK(dns.counters.queries_tcp.get() == 3);
  CHECK(dns.counters.tcp_open.get() == 1);
  CHECK(dns.world.counters.dials.get() == 0);
}

TEST_CASE("a large answer passes whole over a connection, and one over another stays there") {
  DnsWorld dns;
  HandClient one(dns.world, {ip("8.8.8.8"), 53}, 40001), two(dns.world, {ip("8.8.4.4"), 53}, 40002);
  REQUIRE(one.open());
  REQUIRE(two.open());
  ask(one, "large.example", 1);
  ask(two, "small.example", 2);
  dns.world.turn();
  dns.upstream.answer("large.example", 7, 500);
  dns.upstream.answer("small.example", 8);
  CHECK(one.run_until([&] { return messages(one).size() == 1; }));
  CHECK(two.run_until([&] { return messages(two).size() == 1; }));
  CHECK(messages(one)[0].size() > 8000);
  CHECK(meaning(messages(two)[0]) == Said{2, 8});
}

TEST_CASE("a thousand questions at once are all answered, over some turns") {
  DnsWorld dns;
  dns.ask("8.8.8.8", "a.example");
  dns.upstream.answer("a.example", 7);
  HandClient client(dns.world, {ip("8.8.8.8"), 53});
  REQUIRE(client.open());
  ByteVector all;
  for (std::uint16_t id = 0; id < 1000; ++id) {
    const ByteVector each = framed(dns_query("a.example", id));
    all.insert(all.end(), each.begin(), each.end());
  }
  std::size_t done = 0;
  CHECK(client.run_until([&] {
    done += client.send_some(base::Bytes(all).subspan(done));
    return messages(client).size() == 1000;
  }));
  const auto answers = messages(client);
  for (std::size_t id = 0; id < answers.size(); ++id)
    if (meaning(answers[id]) != Said{int(id), 7}) FAIL("answer " << id);
}

TEST_CASE("a client that closes its side gets the answers that are due, then the end") {
  DnsWorld dns;
  HandClient client(dns.world, {ip("8.8.8.8"), 53});
  REQUIRE(client.open());
  ask(client, "a.example", 1);
  client.send(F::ack | F::fin);
  dns.world.settle();
  client.receive();
  CHECK_FALSE(client.fin);
  dns.upstream.answer("a.example", 7);
  CHECK(client.run_until([&] { return client.fin; }));
  CHECK(messages(client).size() == 1);
  dns.world.turn();
  CHECK(dns.counters.tcp_open.get() == 0);
}

TEST_CASE("a question that a rule drops does not keep a connection whose client is done") {
  dns::Policy policy;
  policy.block = {"ads.example"};
  policy.answer = dns::AnswerMode::drop;
  DnsWorld dns({}, policy);
  HandClient client(dns.world, {ip("8.8.8.8"), 53});
  REQUIRE(client.open());
  ask(client, "ads.example", 1);
  client.send(F::ack | F::fin);
  CHECK(client.run_until([&] { return client.fin; }));
  CHECK(messages(client).empty());
}

TEST_CASE("a connection without questions and a question without an end are given up") {
  DnsWorld dns;
  HandClient idle(dns.world, {ip("8.8.8.8"), 53}, 40001),
      slow(dns.world, {ip("8.8.8.8"), 53}, 40002);
  REQUIRE(idle.open());
  REQUIRE(slow.open());
  const ByteVector query = framed(dns_query("a.example"));
  slow.send(F::ack | F::psh, base::Bytes(query).first(1));
  for (std::size_t at = 1; at < 8; ++at) {
    dns.world.advance(1s);
    slow.receive();
    if (slow.reset) break;
    slow.send(F::ack | F::psh, base::Bytes(query).subspan(at, 1));
  }
  slow.receive();
  CHECK(slow.reset);
  idle.receive();
  CHECK_FALSE(idle.reset);
  dns.world.advance(5s);
  idle.receive();
  CHECK(idle.reset);
  CHECK(dns.counters.tcp_open.get() == 0);
}

TEST_CASE("a length that no question has ends the connection") {
  for (const unsigned length : {0u, 5000u, 65535u}) {
    DnsWorld dns;
    HandClient client(dns.world, {ip("8.8.8.8"), 53});
    REQUIRE(client.open());
    const ByteVector bad{std::byte(length >> 8), std::byte(length & 0xff), std::byte{1}};
    client.send(F::ack | F::psh, bad);
    CHECK(client.run_until([&] { return client.reset; }));
  }
}

TEST_CASE("a client that takes no answers is read no more, and hung up on") {
  DnsWorld dns;
  dns.ask("8.8.8.8", "large.example");
  dns.upstream.answer("large.example", 7, 500);
  HandClient client(dns.world, {ip("8.8.8.8"), 53});
  REQUIRE(client.open());
  client.silent = true;
  for (std::uint16_t id = 0; id < 100; ++id) ask(client, "large.example", id);
  dns.world.settle();
  CHECK(dns.counters.queries_tcp.get() < 20);
  dns.world.advance(16s);
  client.receive();
  CHECK(client.reset);
  CHECK(dns.counters.tcp_open.get() == 0);
}

TEST_CASE("a client has so many connections, and its removal ends them") {
  DnsWorld dns(with_connections(2));
  HandClient one(dns.world, {ip("8.8.8.8"), 53}, 40001), two(dns.world, {ip("8.8.8.8"), 53}, 40002),
      three(dns.world, {ip("8.8.8.8"), 53}, 40003), four(dns.world, {ip("8.8.8.8"), 53}, 40004);
  REQUIRE(one.open());
  REQUIRE(two.open());
  CHECK_FALSE(three.open());
  CHECK(three.reset);
  CHECK(dns.world.peer.denials.get(base::Drop::flow_cap) == 1);
  two.send(F::ack | F::rst);
  dns.world.turn();
  CHECK(four.open());
  ask(one, "a.example", 1);
  dns.world.turn();
  CHECK(dns.counters.tcp_open.get() == 2);
}
