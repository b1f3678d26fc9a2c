// From a SYN to a connection: parking, accepting, refusing.
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
};
}  // namespace

TEST_CASE("an unknown SYN is parked and nothing is answered") {
  Fixture f;
  f.client.send_syn();
  f.wire.flush();
  REQUIRE(f.wire.syns.size() == 1);
  CHECK(f.wire.syns[0].key() == f.client.key);
  CHECK(f.wire.syns[0].ttl() == 63);
  CHECK(f.wire.queue.empty());
  CHECK(f.wire.stack.usage().parked == 1);
  CHECK(f.wire.stack.next_deadline() == base::never);
}

TEST_CASE("an accepted SYN becomes a connection, with MSS, window scale and SACK agreed") {
  Fixture f;
  f.client.send_syn();
  REQUIRE(f.wire.syns.size() == 1);
  f.owner.connection = f.wire.syns[0].accept(f.owner);
  REQUIRE(f.owner.connection);
  const auto answer = f.client.receive();
  REQUIRE(answer.size() == 1);
  CHECK(answer[0].tcp->flags == (F::syn | F::ack));
  CHECK(answer[0].tcp->acknowledgement == 1001);
  const auto options = answer[0].tcp->options;
  REQUIRE(options.size() >= 4);
  CHECK(base::load_be16(&options[2]) == 1420 - 40);
  CHECK_FALSE(f.owner.established);
  f.client.ack();
  CHECK(f.owner.established);
  CHECK(f.owner.connection->is_established());
  CHECK(f.wire.stack.usage().connections == 1);
  CHECK(f.wire.stack.usage().parked == 0);
  CHECK(f.wire.malformed == 0);
}

TEST_CASE("data passes both ways and both sides close") {
  Fixture f;
  REQUIRE(f.client.open(f.owner));
  f.client.send_data(bytes_of("GET /"));
  f.wire.flush();
  CHECK(f.owner.text() == "GET /");
  const std::string_view reply = "HTTP/1.1 200 OK";
  CHECK(f.owner.connection->send(bytes_of(reply)) == reply.size());
  CHECK(f.wire.stack.usage().buffered_bytes == reply.size());
  f.wire.flush();
  f.client.receive();
  CHECK(f.client.text() == reply);
  CHECK(f.client.acked == f.client.next);
  f.client.ack();
  f.wire.flush();
  CHECK(f.owner.sent == reply.size());
  CHECK(f.owner.connection->unacknowledged() == 0);

  f.owner.connection->shutdown_send();
  f.wire.flush();
  f.client.receive();
  CHECK(f.client.fin);
  f.client.send({.flags = F::ack | F::fin});
  f.wire.flush();
  CHECK(f.owner.fin);
  CHECK(f.owner.closed);
  CHECK(f.wire.stack.usage().connections == 0);
  CHECK(f.wire.stack.usage().time_wait == 1);
  f.client.receive();
  CHECK(f.client.acked == f.client.next);
  f.wire.advance(std::chrono::seconds(11));
  CHECK(f.wire.stack.usage().time_wait == 0);
  CHECK(f.wire.stack.next_deadline() == base::never);
  CHECK(f.wire.malformed == 0);
}

TEST_CASE("a repeated SYN is swallowed while the first waits, and the latest one is accepted") {
  Fixture f;
  f.client.send_syn();
  f.client.next = 1000;
  f.client.send_syn();
  f.client.next = 5000;
  f.client.send_syn();
  REQUIRE(f.wire.syns.size() == 1);
  f.owner.connection = f.wire.syns[0].accept(f.owner);
  const auto answer = f.client.receive();
  REQUIRE(answer.size() == 1);
  CHECK(answer[0].tcp->acknowledgement == 5001);
}

TEST_CASE("a parked SYN can be reset, rejected by ICMP, or left in silence") {
  Fixture f;
  f.client.send_syn();
  SECTION("reset") {
    f.wire.syns[0].reset();
    const auto sent = f.wire.next();
    REQUIRE(sent);
    CHECK(sent->tcp->flags == (F::rst | F::ack));
    CHECK(sent->tcp->acknowledgement == 1001);
    CHECK(sent->tcp->sequence == 0);
  }
  SECTION("rejected") {
    f.wire.syns[0].reject(netstack::IcmpError::prohibited);
    const auto sent = f.wire.next();
    REQUIRE(sent);
    REQUIRE(sent->icmp);
    CHECK(sent->icmp->type == 3);
    CHECK(sent->icmp->code == 13);
    CHECK(sent->ip.source == ip("10.8.0.1"));
    CHECK(base::load_be16(&sent->icmp->payload[20]) == 40000);
  }
  SECTION("silence") {
    f.wire.syns.clear();
  }
  f.wire.syns.clear();
  CHECK(f.wire.queue.empty());
  CHECK(f.wire.stack.usage().parked == 0);
  CHECK(f.wire.malformed == 0);
}

TEST_CASE("a client that resets its parked SYN cancels it") {
  Fixture f;
  f.client.send_syn();
  f.client.send({.flags = F::rst});
  CHECK(f.wire.stack.usage().parked == 0);
  CHECK(f.wire.syns[0].accept(f.owner) == nullptr);
  CHECK(f.wire.queue.empty());
}

TEST_CASE("a segment for no connection is answered with RST, and a RST with nothing") {
  Fixture f;
  f.client.expected = 777;
  f.client.send_data(bytes_of("hello"));
  const auto sent = f.wire.next();
  REQUIRE(sent);
  CHECK(sent->tcp->flags == F::rst);
  CHECK(sent->tcp->sequence == 777);
  f.client.send({.flags = F::rst | F::ack});
  CHECK_FALSE(f.wire.next());
  f.client.send({.flags = F::fin, .sequence = 50});
  const auto second = f.wire.next();
  REQUIRE(second);
  CHECK(second->tcp->acknowledgement == 51);
}

TEST_CASE("port 0 is dropped without an answer") {
  Fixture f;
  TcpClient to_zero(f.wire, endpoint("10.8.0.2", 40000), endpoint("203.0.113.5", 0));
  to_zero.send_syn();
  CHECK(f.wire.syns.empty());
  CHECK(f.wire.queue.empty());
  CHECK(f.wire.counters.drops.get(base::Drop::malformed) == 1);
}

TEST_CASE("a connection that is never acknowledged is given up after 20 seconds") {
  Fixture f;
  f.client.send_syn();
  f.owner.connection = f.wire.syns[0].accept(f.owner);
  f.wire.advance(std::chrono::seconds(25));
  CHECK(f.owner.reset);
  CHECK(f.wire.queue.size() >= 3);  // the SYN-ACK was repeated meanwhile
  CHECK(f.wire.stack.next_deadline() == base::never);
}

TEST_CASE("a connection is opened to a client") {
  Fixture f;
  TcpClient server(f.wire, endpoint("10.8.0.2", 80), endpoint("203.0.113.5", 50000));
  f.owner.connection = f.wire.stack.connect(server.key, f.owner);
  REQUIRE(f.owner.connection);
  const auto syn = server.receive();
  REQUIRE(syn.size() == 1);
  CHECK(syn[0].tcp->flags == F::syn);
  server.send({.flags = F::syn | F::ack, .options = TcpClient::syn_options()});
  f.wire.flush();
  CHECK(f.owner.established);
  CHECK(server.receive().size() == 1);
  f.owner.connection->send(bytes_of("hello"));
  f.wire.flush();
  server.receive();
  CHECK(server.text() == "hello");
}
