#include <netinet/tcp.h>

#include <deque>

#include "tests/proxy/world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
using namespace std::chrono_literals;
using F = base::TcpView;

namespace {

// A client's connection through the proxy to a real listener.
struct Opened {
  explicit Opened(World& world) : origin(SOCK_STREAM), client(world, origin.endpoint()) {
    REQUIRE(client.open());
    world.turn();
    REQUIRE(world.run_until([&] { return bool(host = origin.accept()); }));
  }
  std::string read_host() {
    char buffer[65536];
    const ssize_t n = ::recv(host.get(), buffer, sizeof buffer, 0);
    last_error = n < 0 ? errno : 0;
    ended = n == 0;
    return n > 0 ? std::string(buffer, std::size_t(n)) : std::string();
  }
  void write_host(std::string_view text) {
    REQUIRE(::send(host.get(), text.data(), text.size(), MSG_NOSIGNAL) == ssize_t(text.size()));
  }
  Origin origin;
  HandClient client;
  FileDescriptor host;
  int last_error = 0;
  bool ended = false;
};

}  // namespace

TEST_CASE("bytes pass in both directions") {
  World world;
  Opened o(world);
  o.client.send(F::ack | F::psh, bytes_of("GET /"));
  std::string got;
  CHECK(o.client.run_until([&] { return (got += o.read_host()) == "GET /"; }));
  o.write_host("200 OK");
  CHECK(o.client.run_until([&] { return text_of(o.client.received) == "200 OK"; }));
  CHECK(world.peer.tcp_flows.get() == 1);
  CHECK(world.counters.tcp_open.get() == 1);
}

TEST_CASE("a refused dial is an RST, and nothing is left") {
  World world;
  base::Endpoint closed;
  {
    Origin gone(SOCK_STREAM);
    closed = gone.endpoint();
  }
  HandClient client(world, closed);
  CHECK_FALSE(client.open());
  CHECK(client.reset);
  CHECK(world.counters.tcp_open.get() == 0);
  CHECK(world.counters.dials_failed.get() == 1);
  CHECK(world.client->dialling == 0);
}

TEST_CASE("a refused dial is ICMP port unreachable where the setting says so") {
  auto config = World::config();
  config.refuse_with_icmp = true;
  World world(config);
  base::Endpoint closed;
  {
    Origin gone(SOCK_STREAM);
    closed = gone.endpoint();
  }
  HandClient client(world, closed);
  client.send(F::syn);
  const auto icmp = world.wait_icmp();
  REQUIRE(icmp);
  CHECK(icmp->icmp->type == 3);
  CHECK(icmp->icmp->code == 3);
}

TEST_CASE("a denied target is answered prohibited, counted, and never dialled") {
  World world;
  for (const char* target : {"10.1.2.3", "169.254.169.254", "192.168.1.1"}) {
    HandClient client(world, {ip(target), 80});
    client.send(F::syn);
    world.turn();
    const auto icmp = world.wait_icmp();
    REQUIRE(icmp);
    CHECK(icmp->icmp->type == 3);
    CHECK(icmp->icmp->code == 13);
  }
  HandClient client6(world, {ip("fe80::1"), 80}, 40000, "fd08::2");
  client6.send(F::syn);
  world.settle();
  CHECK(world.counters.dials.get() == 0);
  CHECK(world.peer.denied.get() >= 3);
  CHECK(world.drops(base::Drop::egress_denied) >= 3);
}

TEST_CASE("a packet of no known client opens nothing") {
  World world;
  Origin origin(SOCK_STREAM);
  HandClient stranger(world, origin.endpoint(), 40000, "10.8.0.99");
  stranger.send(F::syn);
  world.settle();
  CHECK(world.drops(base::Drop::unknown_client) == 1);
  CHECK_FALSE(origin.accept());
}

TEST_CASE("the client's FIN passes and the answer still comes") {
  World world;
  Opened o(world);
  o.client.send(F::ack | F::psh | F::fin, bytes_of("question"));
  std::string got;
  CHECK(o.client.run_until([&] { return got += o.read_host(), o.ended; }));
  CHECK(got == "question");
  const std::string answer(200'000, 'a');
  std::size_t written = 0;
  CHECK(o.client.run_until([&] {
    const ssize_t n =
        ::send(o.host.get(), answer.data() + written, answer.size() - written, MSG_NOSIGNAL);
    if (n > 0) written += std::size_t(n);
    return o.client.received.size() == answer.size();
  }));
  ::shutdown(o.host.get(), SHUT_WR);
  CHECK(o.client.run_until([&] { return o.client.fin; }));
  CHECK(o.client.run_until([&] { return world.counters.tcp_open.get() == 0; }));
  CHECK_FALSE(o.client.reset);
}

TEST_CASE("the origin's FIN passes behind its tail, and the client may go on") {
  World world;
  Opened o(world);
  const std::string tail(40'000, 't');
  o.write_host(tail);
  ::shutdown(o.host.get(), SHUT_WR);
  CHECK(o.client.run_until([&] { return o.client.fin; }));
  CHECK(text_of(o.client.received) == tail);
  o.client.send(F::ack | F::psh, bytes_of("more"));
  std::string got;
  CHECK(o.client.run_until([&] { return (got += o.read_host()) == "more"; }));
  o.client.send(F::ack | F::fin);
  CHECK(o.client.run_until([&] { return o.read_host(), o.ended; }));
  CHECK(o.client.run_until([&] { return world.counters.tcp_open.get() == 0; }));
}

TEST_CASE("the origin's RST reaches the client, behind what came before") {
  World world;
  Opened o(world);
  o.write_host("last words");
  CHECK(o.client.run_until([&] { return o.client.received.size() == 10; }));
  proxy::set_close_with_reset(o.host.get());
  o.host.reset();
  CHECK(o.client.run_until([&] { return o.client.reset; }));
  CHECK(text_of(o.client.received) == "last words");
  CHECK(world.counters.tcp_open.get() == 0);
}

TEST_CASE("the client's RST reaches the origin") {
  World world;
  Opened o(world);
  o.client.send(F::rst | F::ack);
  CHECK(world.run_until([&] { return o.read_host(), o.last_error == ECONNRESET; }));
  CHECK(world.counters.tcp_open.get() == 0);
}

TEST_CASE("an origin that never reads closes the client's window, and then gets every byte") {
  World world;
  Opened o(world);
  const ByteVector data = pattern(12'000'000);
  std::size_t sent = 0, stalled = 0;
  world.run_until([&] {
    o.client.receive();
    const std::size_t n = o.client.send_some(
        base::Bytes(data).subspan(sent, std::min<std::size_t>(data.size() - sent, 60000)));
    sent += n;
    stalled = n ? 0 : stalled + 1;
    return stalled > 50 || sent == data.size();
  });
  CHECK(sent < data.size());
  ByteVector got;
  CHECK(o.client.run_until([&] {
    sent += o.client.send_some(
        base::Bytes(data).subspan(sent, std::min<std::size_t>(data.size() - sent, 60000)));
    const std::string part = o.read_host();
    const base::Bytes bytes = bytes_of(part);
    got.insert(got.end(), bytes.begin(), bytes.end());
    return got.size() >= 6'000'000;
  }));
  CHECK(std::equal(got.begin(), got.end(), data.begin()));
}

TEST_CASE("a client that acknowledges nothing stops the reading of the origin") {
  World world;
  Opened o(world);
  o.client.silent = true;
  const std::string data(1 << 16, 'd');
  std::size_t written = 0, stalled = 0;
  world.run_until([&] {
    const ssize_t n = ::send(o.host.get(), data.data(), data.size(), MSG_NOSIGNAL);
    if (n > 0)
      written += std::size_t(n), stalled = 0;
    else
      ++stalled;
    return stalled > 100;
  });
  CHECK(stalled > 100);
  CHECK(written < 20'000'000);
  world.advance(901s);
  CHECK(world.counters.tcp_open.get() == 0);
}

TEST_CASE("an idle connection ends after its time, a half-closed one sooner") {
  World world;
  {
    Opened o(world);
    world.advance(7200s);
    CHECK(world.counters.tcp_open.get() == 1);
    world.advance(300s);
    CHECK(world.counters.tcp_open.get() == 0);
  }
  Opened o(world);
  o.client.send(F::ack | F::fin);
  CHECK(o.client.run_until([&] { return o.read_host(), o.ended; }));
  world.advance(290s);
  CHECK(world.counters.tcp_open.get() == 1);
  world.advance(20s);
  CHECK(world.counters.tcp_open.get() == 0);
}

TEST_CASE("over its cap a client's new flow is met with silence, and is counted") {
  proxy::Limits limits;
  limits.tcp_flows = 2;
  World world(World::config(), limits);
  Origin origin(SOCK_STREAM);
  HandClient a(world, origin.endpoint(), 40001), b(world, origin.endpoint(), 40002),
      c(world, origin.endpoint(), 40003);
  CHECK(a.open());
  CHECK(b.open());
  c.send(F::syn);
  world.settle();
  c.receive();
  CHECK_FALSE(c.established);
  CHECK_FALSE(c.reset);
  CHECK(world.drops(base::Drop::flow_cap) == 1);
}

TEST_CASE("one client leaves a quarter of the worker's connections to the others") {
  proxy::Proxy::Config config = World::config();
  config.limits.tcp_flows_total = 4;
  World world(config, proxy::Limits());
  Origin origin(SOCK_STREAM);
  std::deque<HandClient> clients;
  for (std::uint16_t port = 42000; port < 42003; ++port)
    CHECK(clients.emplace_back(world, origin.endpoint(), port).open());
  HandClient& fourth = clients.emplace_back(world, origin.endpoint(), std::uint16_t(42003));
  fourth.send(F::syn);
  world.settle();
  fourth.receive();
  CHECK_FALSE(fourth.established);
  CHECK(world.drops(base::Drop::flow_cap) == 1);
}

TEST_CASE("a client over its rate of new flows is met with silence") {
  proxy::Limits limits;
  limits.new_flows_per_second = 1, limits.new_flows_burst = 3;
  World world(World::config(), limits);
  Origin origin(SOCK_STREAM);
  for (std::uint16_t port = 41000; port < 41010; ++port)
    HandClient(world, origin.endpoint(), port).send(F::syn);
  world.settle();
  CHECK(world.peer.tcp_flows.get() == 3);
  CHECK(world.drops(base::Drop::flow_rate) == 7);
}

TEST_CASE("a removed client's flows are reset on both sides at once") {
  World world;
  Opened o(world);
  world.proxy.remove_client(*world.client);
  o.client.receive();
  CHECK(o.client.reset);
  CHECK(world.run_until([&] { return o.read_host(), o.last_error == ECONNRESET; }));
}

TEST_CASE(
    "a forward carries a host connection to the client, which sees the tunnel address for a local "
    "one") {
  World world;
  Origin listener(SOCK_STREAM);
  world.proxy.add_forward({listener.fd.get(), base::Protocol::tcp, {ip("10.8.0.2"), 80}});
  const auto remote = proxy::open_socket(ip("127.0.0.1"), SOCK_STREAM);
  proxy::connect_to(remote.get(), listener.endpoint());
  std::optional<Sent> syn;
  REQUIRE(world.run_until(
      [&] { return bool(syn = world.find([](const Sent& s) { return s.has(F::syn); })); }));
  CHECK(syn->ip.source == ip("10.8.0.1"));
  CHECK(syn->tcp->destination_port == 80);
  HandClient client(world, {syn->ip.source, syn->tcp->source_port}, 80);
  client.expected = syn->tcp->sequence + 1;
  client.send(F::syn | F::ack);
  CHECK(client.run_until([&] { return client.acked == client.next; }));
  client.send(F::ack | F::psh, bytes_of("hello"));
  char buffer[16];
  CHECK(client.run_until([&] { return ::recv(remote.get(), buffer, sizeof buffer, 0) == 5; }));
}
