// The tunnel's own address: the page at any time, and where a stopped client is led.
#include "tests/proxy/recorded_world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
using namespace std::chrono_literals;
using F = base::TcpView;

namespace {

// Sends `request` to an address and returns all that came until the server's FIN.
std::string fetch(World& world, const char* address, std::string_view request,
                  std::uint16_t port = 50000, const char* from = "10.8.0.2") {
  HandClient client(world, {ip(address), 80}, port, from);
  if (!client.open()) return client.reset ? "reset" : "silence";
  client.send(F::ack | F::psh, bytes_of(request));
  if (!client.run_until([&] { return client.fin || client.reset; })) return "no end";
  client.send(F::ack | F::fin);
  world.turn();
  return std::string(text_of(client.received));
}
bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}
ByteVector dns_query(std::string_view name, std::uint16_t type) {
  ByteVector query(12);
  query[0] = std::byte{0xab}, query[1] = std::byte{0xcd};
  query[2] = std::byte{1};  // recursion desired
  query[5] = std::byte{1};
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    query.push_back(std::byte(label.size()));
    for (const char c : label) query.push_back(std::byte(c));
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  for (const int b : {0, type >> 8, type & 0xff, 0, 1}) query.push_back(std::byte(b));
  return query;
}

constexpr std::string_view get = "GET / HTTP/1.1\r\nHost: 10.8.0.1\r\n\r\n";

}  // namespace

TEST_CASE("at any time the tunnel address shows a client its own use and quota") {
  World world;
  world.controls.quota_bytes.set(2'000'000'000);
  world.controls.used_before.set(1'250'000'000);
  world.controls.counted_at.set(world.peer.up_bytes.get() + world.peer.down_bytes.get());
  world.controls.resets_at.set(1'796'083'200);  // 2026-12-01 00:00 UTC
  world.controls.utc_offset.set(3600);
  const std::string page = fetch(world, "10.8.0.1", get);
  CHECK(page.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(has(page, "Connection: close"));
  CHECK(has(page, "1.25 GB of 2.00 GB"));
  CHECK(has(page, "2026-12-01 01:00 (UTC+01:00)"));
  CHECK_FALSE(has(page, "<script"));
  CHECK(world.counters.tcp_open.get() == 0);
}

TEST_CASE("other ports of the tunnel address stay closed, and so does port 80 to strangers") {
  World world;
  HandClient ssh(world, {ip("10.8.0.1"), 22});
  CHECK_FALSE(ssh.open());
  CHECK(ssh.reset);
  CHECK(fetch(world, "10.8.0.1", get, 50001, "10.8.0.99") == "reset");
}

TEST_CASE("a stopped client is led from any host to the page, over IPv4 and IPv6") {
  World world;
  world.controls.stop.set(std::uint64_t(base::Stop::quota));
  const std::string led =
      fetch(world, "93.184.216.34", "GET /generate_204 HTTP/1.1\r\nHost: example.com\r\n\r\n");
  CHECK(led.starts_with("HTTP/1.1 302 Found\r\n"));
  CHECK(has(led, "Location: http://10.8.0.1/\r\n"));
  const std::string post =
      fetch(world, "93.184.216.34", "POST /x HTTP/1.1\r\nHost: example.com\r\n\r\n", 50001);
  CHECK(post.starts_with("HTTP/1.1 511 "));
  const std::string led6 =
      fetch(world, "2606:2800::1", "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", 50002, "fd08::2");
  CHECK(has(led6, "Location: http://[fd08::1]/\r\n"));
  const std::string page = fetch(world, "10.8.0.1", get, 50003);
  CHECK(page.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(has(page, "The quota is used up"));
  const std::string page6 =
      fetch(world, "fd08::1", "GET / HTTP/1.1\r\nHost: [fd08::1]\r\n\r\n", 50004, "fd08::2");
  CHECK(page6.starts_with("HTTP/1.1 200 OK\r\n"));
  const std::string head =
      fetch(world, "10.8.0.1", "HEAD / HTTP/1.1\r\nHost: 10.8.0.1\r\n\r\n", 50005);
  CHECK(head.ends_with("\r\n\r\n"));
  CHECK(world.counters.dials.get() == 0);
}

TEST_CASE("a stopped client's DNS queries are answered with the tunnel address, whomever it asks") {
  World world;
  world.controls.stop.set(std::uint64_t(base::Stop::hours));
  const auto ask = [&](std::uint16_t type, const char* server) {
    const base::FlowKey key{{ip("10.8.0.2"), 5353}, {ip(server), 53}, base::Protocol::udp};
    world.inject(build_udp({.key = key}, dns_query("example.com", type)));
    const auto answer = world.wait_udp();
    REQUIRE(answer);
    CHECK(answer->ip.source == ip(server));
    CHECK(answer->udp->source_port == 53);
    return vector_of(answer->text());
  };
  const ByteVector a = ask(1, "8.8.8.8");
  REQUIRE(a.size() == 12 + 17 + 16);
  CHECK(a[0] == std::byte{0xab});
  CHECK(base::load_be16(&a[6]) == 1);
  CHECK(base::load_be32(&a[a.size() - 10]) == 5);
  CHECK(base::IpAddress::v4(base::Bytes(a).last<4>()) == ip("10.8.0.1"));
  const ByteVector aaaa = ask(28, "10.8.0.1");
  CHECK(base::IpAddress::v6(base::Bytes(aaaa).last<16>()) == ip("fd08::1"));
  const ByteVector https = ask(65, "1.1.1.1");
  CHECK(base::load_be16(&https[6]) == 0);
  CHECK((std::to_integer<int>(https[3]) & 0xf) == 0);
  CHECK(world.peer.udp_flows.get() == 0);

  HandClient tcp(world, {ip("8.8.8.8"), 53}, 50010);
  REQUIRE(tcp.open());
  ByteVector framed = dns_query("example.com", 1);
  framed.insert(framed.begin(), {std::byte{0}, std::byte(framed.size())});
  tcp.send(F::ack | F::psh, base::Bytes(framed).first(5));
  tcp.send(F::ack | F::psh, base::Bytes(framed).subspan(5));
  CHECK(tcp.run_until([&] { return tcp.fin; }));
  REQUIRE(tcp.received.size() == 2 + a.size());
  CHECK(base::IpAddress::v4(base::Bytes(tcp.received).last<4>()) == ip("10.8.0.1"));
}

TEST_CASE("a request in pieces is put together; one that never ends is given up") {
  World world;
  HandClient client(world, {ip("10.8.0.1"), 80});
  REQUIRE(client.open());
  for (const char c : get) client.send(F::ack | F::psh, bytes_of(std::string_view(&c, 1)));
  CHECK(client.run_until([&] { return client.fin; }));
  HandClient slow(world, {ip("10.8.0.1"), 80}, 40001);
  REQUIRE(slow.open());
  slow.send(F::ack | F::psh, bytes_of("GET / HT"));
  world.advance(7s);
  slow.receive();
  CHECK(slow.reset);
}

TEST_CASE("a request that is too large or no request at all is told so") {
  World world;
  const std::string large = "GET / HTTP/1.1\r\nX: " + std::string(5000, 'x');
  HandClient client(world, {ip("10.8.0.1"), 80});
  REQUIRE(client.open());
  client.send_some(bytes_of(large));
  CHECK(client.run_until([&] { return client.fin || client.reset; }));
  CHECK(has(std::string(text_of(client.received)), "431 "));
  CHECK(has(fetch(world, "10.8.0.1", "\x16\x03\x01 what\r\n\r\n", 50001), "400 Bad Request"));
}

TEST_CASE("a client has eight visits at a time, and its removal ends them") {
  World world;
  std::deque<HandClient> visitors;
  for (std::uint16_t port = 50000; port < 50008; ++port)
    CHECK(visitors.emplace_back(world, base::Endpoint{ip("10.8.0.1"), 80}, port).open());
  HandClient ninth(world, {ip("10.8.0.1"), 80}, 50008);
  CHECK_FALSE(ninth.open());
  CHECK(ninth.reset);
  CHECK(world.peer.denials.get(base::Drop::flow_cap) == 1);
  world.proxy.remove_client(*world.client);
  visitors[0].receive();
  CHECK(visitors[0].reset);
}

TEST_CASE("a client that is slowed down over its quota reads so") {
  World world;
  world.controls.quota_bytes.set(1000), world.controls.used_before.set(2000);
  CHECK(has(fetch(world, "10.8.0.1", get), "slowed down"));
  world.controls.used_before.set(0);
  world.controls.counted_at.set(world.peer.up_bytes.get() + world.peer.down_bytes.get());
  CHECK(has(fetch(world, "10.8.0.1", get, 50001), "This connection is open"));
}
