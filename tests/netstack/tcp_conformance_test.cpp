// What RFC 9293 asks for in the corners: ends of connections, options, windows, timers.
#include "tests/support/catch.hpp"
#include "tests/support/tcp_client.hpp"

using namespace culvert;
using namespace culvert::test;
using F = base::TcpView;

namespace {
struct Fixture {
  Wire wire;
  Recorder owner;
  TcpClient client;
  explicit Fixture(ByteVector options = TcpClient::syn_options(), bool v6 = false,
                   netstack::Stack::Config config = Wire::default_config())
      : wire(config),
        client{wire, endpoint(v6 ? "fd08::2" : "10.8.0.2", 40000),
               endpoint(v6 ? "2001:db8::5" : "203.0.113.5", 443)} {
    REQUIRE(client.open(owner, std::move(options)));
  }
  // Lets both sides talk until nothing is left to say.
  void exchange(int rounds = 50) {
    for (int i = 0; i < rounds; ++i) {
      wire.flush();
      if (client.receive().empty()) return;
      client.ack();
    }
  }
  void close_both() {
    owner.connection->shutdown_send();
    wire.flush();
    client.receive();
    client.send({.flags = F::ack | F::fin});
    wire.flush();
    client.receive();
  }
};
}  // namespace

TEST_CASE("a simultaneous close ends in TIME_WAIT") {
  Fixture f;
  f.owner.connection->shutdown_send();
  f.wire.flush();
  // The client's FIN was under way before it saw ours.
  const std::uint32_t before = f.client.expected;
  f.client.receive();
  f.client.send_raw({.flags = F::ack | F::fin, .acknowledgement = before});
  ++f.client.next;
  f.wire.flush();
  f.client.receive();
  CHECK(f.client.acked == f.client.next);
  CHECK(f.owner.fin);
  f.client.ack();
  f.wire.flush();
  CHECK(f.owner.closed);
  CHECK(f.wire.stack.usage().time_wait == 1);
  CHECK(f.wire.stack.usage().connections == 0);
}

TEST_CASE("in TIME_WAIT an old segment is acknowledged again and the time begins anew with a FIN") {
  Fixture f;
  f.close_both();
  REQUIRE(f.wire.stack.usage().time_wait == 1);
  f.wire.advance(std::chrono::seconds(6));
  f.client.send_raw({.flags = F::ack | F::fin, .sequence = f.client.next - 1});
  f.wire.flush();
  const auto again = f.client.receive();
  REQUIRE(again.size() == 1);
  CHECK(again[0].tcp->acknowledgement == f.client.next);
  f.wire.advance(std::chrono::seconds(6));
  CHECK(f.wire.stack.usage().time_wait == 1);
  f.wire.advance(std::chrono::seconds(6));
  CHECK(f.wire.stack.usage().time_wait == 0);
}

TEST_CASE("a SYN with a higher number takes over a connection in TIME_WAIT, a lower one does not") {
  Fixture f;
  f.close_both();
  TcpClient later(f.wire, f.client.key.client, f.client.key.server, f.client.next + 1000);
  TcpClient earlier(f.wire, f.client.key.client, f.client.key.server, f.client.next - 1000);
  earlier.send_syn();
  CHECK(f.wire.syns.empty());
  Recorder second;
  CHECK(later.open(second));
  CHECK(f.wire.stack.usage().time_wait == 0);
}

TEST_CASE("connections in TIME_WAIT are bounded; the oldest goes first") {
  auto config = Wire::default_config();
  config.time_wait_max = 3;
  Wire wire(config);
  for (std::uint16_t i = 0; i < 5; ++i) {
    Recorder owner;
    TcpClient client(wire, endpoint("10.8.0.2", std::uint16_t(2000 + i)),
                     endpoint("203.0.113.5", 443));
    REQUIRE(client.open(owner));
    owner.connection->shutdown_send();
    wire.flush(), client.receive();
    client.send({.flags = F::ack | F::fin});
    wire.flush(), client.receive();
    CHECK(owner.closed);
  }
  CHECK(wire.stack.usage().time_wait == 3);
  wire.clear();
  TcpClient oldest(wire, endpoint("10.8.0.2", 2000), endpoint("203.0.113.5", 443), 1002);
  oldest.send({.flags = F::ack | F::fin});
  const auto answer = wire.next();
  REQUIRE(answer);
  CHECK(answer->has(F::rst));
}

TEST_CASE("window scales 0, 7, 14 and 15 (which counts as 14) are understood") {
  const int scale = GENERATE(-1, 0, 7, 14, 15);
  Fixture f(TcpClient::syn_options(1380, scale));
  // As many bytes as the scaled window says may be under way, and not one more.
  const int shift = std::max(0, std::min(scale, 14));
  f.client.window = std::uint16_t(std::max(1, 8192 >> shift));
  const std::size_t window = std::size_t(f.client.window) << shift;
  f.client.send_data(bytes_of("x"));
  f.wire.flush();
  f.client.send_data(bytes_of("y"));
  f.wire.flush();
  f.client.receive();
  const auto data = pattern(60000);
  const std::size_t taken = f.owner.connection->send(data);
  f.wire.flush();
  f.client.receive();
  CHECK(f.client.received.size() <= std::max(window, std::size_t(1)));
  CHECK(f.client.received.size() + 1380 > std::min(window, std::size_t(10 * 1380)));
  for (int i = 0; i < 200; ++i) f.client.ack(), f.wire.flush(), f.client.receive();
  f.client.ack();
  CHECK(f.client.received == ByteVector(data.begin(), data.begin() + std::ptrdiff_t(taken)));
}

TEST_CASE("MSS 0, 1, 536 and 65535 give segments that fit the client and the tunnel") {
  struct Row {
    std::uint16_t mss;
    std::size_t largest;
  };
  const Row row = GENERATE(Row{0, 536}, Row{1, 88}, Row{536, 536}, Row{65535, 1380});
  Fixture f(TcpClient::syn_options(row.mss));
  const auto data = pattern(3000);
  const std::size_t taken = f.owner.connection->send(data);
  REQUIRE(taken > 0);
  std::size_t largest = 0;
  for (int i = 0; i < 100; ++i) {
    f.wire.flush();
    for (const Sent& s : f.client.receive()) largest = std::max(largest, s.tcp->payload.size());
    f.client.ack();
  }
  CHECK(largest <= row.largest);
  CHECK(largest > 0);
  CHECK(f.client.received == ByteVector(data.begin(), data.begin() + std::ptrdiff_t(taken)));
}

TEST_CASE("urgent data is data like any other") {
  Fixture f;
  f.client.send({.flags = F::ack | 0x20, .payload = bytes_of("ab!")});
  f.wire.flush();
  CHECK(f.owner.text() == "ab!");
}

TEST_CASE("a FIN that overtakes the last data ends the stream after it") {
  Fixture f;
  f.client.send_raw({.flags = F::ack | F::fin, .sequence = f.client.next + 5});
  f.wire.flush();
  CHECK_FALSE(f.owner.fin);
  f.client.send_data(bytes_of("hello"));
  f.wire.flush();
  if (!f.owner.fin) {  // lwIP may drop an early FIN; then the client repeats it
    f.client.send_raw({.flags = F::ack | F::fin});
    f.wire.flush();
  }
  CHECK(f.owner.text() == "hello");
  CHECK(f.owner.fin);
}

TEST_CASE("a keepalive probe is answered, with and without its byte") {
  Fixture f;
  const bool with_byte = GENERATE(false, true);
  f.client.send_raw(
      {.payload = with_byte ? bytes_of("x") : base::Bytes{}, .sequence = f.client.next - 1});
  f.wire.flush();
  const auto answer = f.client.receive();
  REQUIRE(answer.size() == 1);
  CHECK(answer[0].tcp->acknowledgement == f.client.next);
  CHECK(f.owner.received_bytes == 0);
}

TEST_CASE("a host that takes byte by byte causes no silly windows") {
  Fixture f;
  f.owner.keep = true;
  const auto data = pattern(1380);
  for (int i = 0; i < 47; ++i) f.client.send_data(data), f.wire.flush();
  f.client.receive();
  for (int i = 0; i < 1000; ++i) f.owner.connection->consumed(1), f.wire.flush();
  CHECK(f.client.receive().size() <= 1);
}

TEST_CASE("a SYN that carries data loses none of it") {
  Wire wire;
  Recorder owner;
  TcpClient client(wire, endpoint("10.8.0.2", 40000), endpoint("203.0.113.5", 443));
  client.send_raw(
      {.flags = F::syn, .payload = bytes_of("early"), .options = TcpClient::syn_options()});
  client.next += 1;
  REQUIRE(wire.syns.size() == 1);
  owner.connection = wire.syns[0].accept(owner);
  REQUIRE(owner.connection);
  client.receive();
  // What was acknowledged must have been delivered; what was not, the client sends again.
  const std::size_t taken = client.acked - client.next;
  REQUIRE(taken <= 5);
  client.next += std::uint32_t(taken);
  client.send_data(bytes_of("early").subspan(taken));
  wire.flush();
  CHECK(owner.text() == "early");
}

TEST_CASE("TCP over IPv6 opens, carries data both ways and closes") {
  Fixture f(TcpClient::syn_options(1360), true);
  const auto data = pattern(30000);
  for (std::size_t at = 0; at < data.size(); at += 1000)
    f.client.send_data(base::Bytes(data).subspan(at, 1000));
  f.wire.flush();
  CHECK(f.owner.received == data);
  CHECK(f.owner.connection->send(data) == data.size());
  f.exchange();
  CHECK(f.client.received == data);
  CHECK(f.wire.mtu_seen <= 1420);
  f.close_both();
  CHECK(f.owner.closed);
  CHECK(f.wire.malformed == 0);
}

TEST_CASE("a segment behind a chain of IPv6 extension headers is taken") {
  Fixture f(TcpClient::syn_options(), true);
  const auto plain = f.client.build({.flags = F::ack | F::psh, .payload = bytes_of("chained")});
  // Hop-by-hop options, then destination options, each eight bytes of padding (RFC 8200 4.2).
  ByteVector packet(plain.begin(), plain.begin() + 40);
  const auto add = [&](std::uint8_t following) {
    for (const int byte : {int(following), 0, 1, 4, 0, 0, 0, 0}) packet.push_back(std::byte(byte));
  };
  packet[6] = std::byte{0};
  add(60);
  add(6);
  packet.insert(packet.end(), plain.begin() + 40, plain.end());
  base::store_be16(&packet[4], std::uint16_t(packet.size() - 40));
  f.wire.inject_and_flush(packet);
  CHECK(f.owner.text() == "chained");
}

TEST_CASE("a client that shrinks its window gets what it allowed before, and no more after") {
  Fixture f;
  f.client.window = 100;  // scaled: 12,800 bytes
  f.client.send_data(bytes_of("x"));
  f.wire.flush();
  f.client.send_data(bytes_of("y"));
  f.wire.flush();
  const auto data = pattern(40000);
  f.owner.connection->send(data);
  f.wire.flush();
  f.client.receive();
  CHECK(f.client.received.size() <= 12800);
  f.client.window = 0;
  f.client.send_data(bytes_of("z"));
  f.wire.flush();
  const std::size_t before = f.client.received.size();
  f.wire.advance(std::chrono::milliseconds(100));
  f.client.receive();
  CHECK(f.client.received.size() == before);
  f.client.window = 60000;
  for (int i = 0; i < 50; ++i) {
    f.client.ack();
    f.wire.advance(std::chrono::milliseconds(200));
    f.wire.flush(), f.client.receive();
  }
  CHECK(f.client.received == data);
}

TEST_CASE("an unanswered segment is repeated after no less than 200 ms, and again later") {
  Fixture f;
  f.owner.connection->send(bytes_of("hello"));
  f.wire.flush();
  CHECK(f.client.receive().size() == 1);
  f.wire.advance(std::chrono::milliseconds(190));
  CHECK(f.client.receive().empty());
  f.wire.advance(std::chrono::milliseconds(1200));
  CHECK(f.client.receive().size() >= 1);
  f.wire.advance(std::chrono::seconds(5));
  CHECK(f.client.receive().size() >= 1);
}

TEST_CASE("wrong checksums: UDP is dropped and counted, TCP where it is asked for") {
  auto config = Wire::default_config();
  config.verify_tcp_checksum = GENERATE(false, true);
  Fixture f(TcpClient::syn_options(), false, config);
  auto segment = f.client.build({.flags = F::ack | F::psh, .payload = bytes_of("data")});
  segment[37] ^= std::byte{1};
  f.wire.inject_and_flush(segment);
  CHECK(f.owner.received_bytes == (config.verify_tcp_checksum ? 0u : 4u));
  CHECK(f.wire.counters.drops.get(base::Drop::bad_checksum) ==
        (config.verify_tcp_checksum ? 1u : 0u));
  base::FlowKey udp = f.client.key;
  udp.protocol = base::Protocol::udp;
  auto datagram = build_udp({udp}, pattern(20));
  datagram.back() ^= std::byte{1};
  int calls = 0;
  f.wire.when_udp = [&](const netstack::UdpDatagram&) { ++calls; };
  f.wire.inject(datagram);
  CHECK(calls == 0);
  CHECK(f.wire.counters.drops.get(base::Drop::bad_checksum) ==
        (config.verify_tcp_checksum ? 2u : 1u));
}
