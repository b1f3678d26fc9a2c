// Windows, order, loss, halves of a connection, and what a client may try.
#include "tests/support/catch.hpp"
#include "tests/support/tcp_client.hpp"

using namespace culvert;
using namespace culvert::test;
using F = base::TcpView;

namespace {
struct Fixture {
  Wire wire;
  Recorder owner;
  TcpClient client{wire, endpoint("10.8.0.2", 40000), endpoint("203.0.113.5", 443)};
  Fixture() { REQUIRE(client.open(owner)); }
};
}  // namespace

TEST_CASE("a batch of segments is delivered in one piece and acknowledged once") {
  Fixture f;
  const auto data = pattern(20 * 1380);
  for (std::size_t i = 0; i < 20; ++i)
    f.client.send_data(base::Bytes(data).subspan(i * 1380, 1380));
  CHECK(f.owner.received_bytes == 0);
  f.wire.flush();
  CHECK(f.owner.received == data);
  const auto answers = f.client.receive();
  REQUIRE(answers.size() == 1);
  CHECK(f.client.acked == f.client.next);
}

TEST_CASE("the window closes when the host takes nothing and opens when it does") {
  Fixture f;
  f.owner.keep = true;
  const auto data = pattern(1380);
  for (int i = 0; i < 60; ++i) {
    f.client.send_data(data);
    if (i % 10 == 9) f.wire.flush();
  }
  f.wire.flush();
  f.client.receive();
  CHECK(f.client.peer_window <= 1380 / 256);
  CHECK(f.owner.kept.size() <= 65535);
  const std::size_t held = f.owner.kept.size();
  CHECK(held > 60000);
  f.owner.connection->consumed(held);
  f.wire.flush();
  f.client.receive();
  CHECK(f.client.peer_window > 200);
}

TEST_CASE("without a round trip to speak of the receive window grows with use to 512 KiB") {
  Fixture f;
  const auto data = pattern(1380);
  for (int i = 0; i < 1000; ++i) {
    f.client.send_data(data);
    if (i % 20 == 19) f.wire.flush(), f.client.receive();
  }
  f.client.ack();
  f.wire.flush();
  CHECK(std::size_t(f.client.peer_window) * 256 > 400000);
  CHECK(std::size_t(f.client.peer_window) * 256 <= (512 << 10));
}

TEST_CASE("single bytes do not pin a packet buffer each") {
  Fixture f;
  f.owner.keep = true;
  for (int i = 0; i < 20000; ++i) {
    f.client.send_data(bytes_of("x"));
    if (i % 50 == 49) f.wire.flush(), f.wire.clear();
  }
  CHECK(f.owner.kept.size() == 20000);
  CHECK(f.wire.pool.in_use() <= 2);
}

TEST_CASE("out-of-order data is bounded and comes out in order") {
  Fixture f;
  const auto data = pattern(300 * 1000);
  for (std::size_t i = 299; i > 0; --i)
    f.client.send_raw({.payload = base::Bytes(data).subspan(i * 1000 % 60000, 1000),
                       .sequence = f.client.next + std::uint32_t(i * 1000 % 60000)});
  f.wire.flush();
  CHECK(f.wire.pool.in_use() <= 64);
  for (std::size_t i = 0; i < 60; ++i) {
    f.client.send_data(base::Bytes(data).subspan(i * 1000, 1000));
    f.wire.flush();
  }
  CHECK(f.owner.received == ByteVector(data.begin(), data.begin() + 60000));
}

TEST_CASE("held segments leave the packets of the pool to others") {
  auto config = Wire::default_config();
  config.lent_packets_max = 20;
  Wire wire(config);
  Recorder owner;
  TcpClient client(wire, endpoint("10.8.0.2", 40000), endpoint("198.51.100.7", 80));
  REQUIRE(client.open(owner));
  owner.keep = true;
  const auto data = pattern(60 * 1000);
  for (std::size_t i = 0; i < 30; ++i) client.send_data(base::Bytes(data).subspan(i * 1000, 1000));
  for (std::size_t i = 31; i < 60; ++i)
    client.send_raw({.payload = base::Bytes(data).subspan(i * 1000, 1000),
                     .sequence = client.next + std::uint32_t((i - 30) * 1000)});
  wire.flush();
  CHECK(wire.pool.in_use() == 20);
  client.send_data(base::Bytes(data).subspan(30 * 1000, 1000));
  wire.flush();
  CHECK(wire.pool.in_use() == 20);
  CHECK(owner.received == data);
  owner.kept = {};
  CHECK(wire.pool.in_use() == 0);
}

TEST_CASE("every out-of-order segment is answered with its own duplicate ACK and SACK") {
  Fixture f;
  for (std::uint32_t i = 2; i < 6; ++i)
    f.client.send_raw({.payload = bytes_of("0123456789"), .sequence = f.client.next + i * 10});
  const auto answers = f.client.receive();
  CHECK(answers.size() == 4);
  for (const Sent& a : answers) {
    CHECK(a.tcp->acknowledgement == f.client.next);
    CHECK_FALSE(a.tcp->options.empty());
  }
}

TEST_CASE("a closed client window is probed and data goes on when it opens") {
  Fixture f;
  f.client.window = 0;
  // lwIP takes a smaller window only with a sequence number that it has not seen.
  f.client.send_data(bytes_of("x"));
  f.client.send_data(bytes_of("y"));
  f.client.ack();
  f.wire.flush();
  f.client.receive();
  const auto data = pattern(5000);
  CHECK(f.owner.connection->send(data) == 5000);
  f.wire.flush();
  for (const Sent& s : f.client.receive()) CHECK(s.tcp->payload.empty());
  f.wire.advance(std::chrono::seconds(2));
  CHECK_FALSE(f.client.receive().empty());
  f.client.window = 60000;
  f.client.ack();
  for (int i = 0; i < 5; ++i) f.wire.flush(), f.client.receive(), f.client.ack();
  CHECK((f.client.received == data));
  f.wire.advance(std::chrono::seconds(30));
}

TEST_CASE(
    "a probe that the client acknowledges without opening leaves no timer behind that fails") {
  Fixture f;
  f.client.window = 0;
  // lwIP takes a smaller window only with a sequence number that it has not seen.
  f.client.send_data(bytes_of("x"));
  f.client.send_data(bytes_of("y"));
  f.client.ack();
  f.wire.flush();
  f.client.receive();
  f.owner.connection->send(bytes_of("x"));
  f.wire.flush();
  f.wire.advance(std::chrono::seconds(1));
  f.client.receive();
  f.client.ack();
  f.wire.flush();
  f.wire.advance(std::chrono::seconds(60));
  CHECK(f.owner.sent == 1);
}

TEST_CASE("a client that allows only tiny segments does not multiply its send buffer") {
  Wire wire;
  Recorder owner;
  TcpClient client{wire, endpoint("10.8.0.2", 40000), endpoint("203.0.113.5", 443)};
  client.window = 2;
  REQUIRE(client.open(owner, TcpClient::syn_options(1, -1)));
  const auto data = pattern(65000);
  CHECK(owner.connection->send(data) < 2000);
}

TEST_CASE("the origin's half closes first and the client goes on sending") {
  Fixture f;
  f.owner.connection->send(bytes_of("bye"));
  f.owner.connection->shutdown_send();
  f.wire.flush();
  f.client.receive();
  CHECK(f.client.fin);
  CHECK(f.client.text() == "bye");
  f.client.ack();
  f.client.send_data(bytes_of("still here"));
  f.wire.flush();
  CHECK(f.owner.text() == "still here");
  CHECK(f.wire.stack.next_deadline() != base::Time{});
  f.client.send({.flags = F::ack | F::fin});
  f.wire.flush();
  CHECK(f.owner.closed);
}

TEST_CASE("the client's half closes first and the origin's tail arrives whole") {
  Fixture f;
  f.client.send({.flags = F::ack | F::fin});
  f.wire.flush();
  CHECK(f.owner.fin);
  const auto tail = pattern(60000);
  CHECK(f.owner.connection->send(tail) == tail.size());
  f.owner.connection->shutdown_send();
  for (int i = 0; i < 20; ++i) f.wire.flush(), f.client.receive(), f.client.ack();
  CHECK(f.client.received == tail);
  CHECK(f.client.fin);
  CHECK(f.owner.sent == tail.size());
  CHECK(f.owner.closed);
  CHECK(f.wire.stack.usage().connections == 0);
}

TEST_CASE("a download over a wire that loses and reorders packets arrives whole") {
  Fixture f;
  const auto data = pattern(400000);
  std::size_t given = 0;
  FixedRandom dice(7);
  for (int step = 0; step < 20000 && f.client.received.size() < data.size(); ++step) {
    given += f.owner.connection->send(base::Bytes(data).subspan(given));
    f.wire.advance(std::chrono::milliseconds(10));
    f.wire.flush();
    auto& queue = f.wire.queue;
    std::erase_if(queue, [&](const Sent&) { return dice.below(20) == 0; });
    if (queue.size() > 2 && dice.below(4) == 0) std::swap(queue.front(), queue.back());
    while (!queue.empty()) {
      const auto sent = f.wire.next();
      f.client.follow(*sent->tcp);
      if (dice.below(20) != 0) f.client.ack();
    }
  }
  CHECK(f.client.received == data);
}

TEST_CASE("RST: exact ends, inside the window is challenged, outside is ignored") {
  Fixture f;
  SECTION("exact") {
    f.client.send({.flags = F::rst});
    CHECK(f.owner.reset);
    CHECK(f.wire.stack.usage().connections == 0);
  }
  SECTION("inside") {
    f.client.send_raw({.flags = F::rst, .sequence = f.client.next + 100});
    f.wire.flush();
    CHECK_FALSE(f.owner.reset);
    CHECK(f.client.receive().size() == 1);
  }
  SECTION("outside") {
    f.client.send_raw({.flags = F::rst, .sequence = f.client.next + 1000000});
    f.wire.flush();
    CHECK_FALSE(f.owner.reset);
    CHECK(f.client.receive().empty());
  }
}

TEST_CASE("a SYN in an established connection is challenged") {
  Fixture f;
  f.client.send_raw({.flags = F::syn, .sequence = f.client.next + 50});
  f.wire.flush();
  CHECK_FALSE(f.owner.reset);
  const auto sent = f.client.receive();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].tcp->acknowledgement == f.client.next);
}

TEST_CASE("an MSS option in a later segment changes nothing") {
  Fixture f;
  f.owner.connection->send(bytes_of("0123456789"));
  f.client.send_raw({.payload = bytes_of("a"),
                     .options = {std::byte{2}, std::byte{4}, std::byte{0}, std::byte{1}}});
  f.wire.flush();
  f.client.receive();
  static const auto data = pattern(1380);
  f.owner.connection->send(data);
  f.wire.flush();
  const auto sent = f.client.receive();
  REQUIRE_FALSE(sent.empty());
  CHECK(sent.back().tcp->payload.size() >= 1370);
}

TEST_CASE("abort and destruction send RST and no event follows") {
  Fixture f;
  SECTION("abort") {
    f.owner.connection->abort();
  }
  SECTION("destruction") {
    f.owner.connection.reset();
  }
  const auto sent = f.client.receive();
  REQUIRE(sent.size() == 1);
  CHECK((sent[0].tcp->flags & F::rst) != 0);
  CHECK_FALSE(f.owner.reset);
  CHECK(f.wire.stack.usage().connections == 0);
}

TEST_CASE("an idle connection needs no timer, ten thousand of them neither") {
  Wire wire;
  std::vector<std::unique_ptr<Recorder>> owners;
  for (std::uint16_t i = 0; i < 10000; ++i) {
    owners.push_back(std::make_unique<Recorder>());
    TcpClient client(wire, endpoint("10.8.0.2", std::uint16_t(1000 + i)),
                     endpoint("203.0.113.5", 443));
    REQUIRE(client.open(*owners.back()));
    wire.clear();
  }
  CHECK(wire.stack.usage().connections == 10000);
  wire.advance(std::chrono::seconds(3));
  CHECK(wire.stack.next_deadline() == base::never);
  TcpClient last(wire, endpoint("10.8.0.2", 1234), endpoint("203.0.113.5", 443), 1001);
  last.expected = 0;
  owners.clear();
  CHECK(wire.stack.usage().connections == 0);
}
