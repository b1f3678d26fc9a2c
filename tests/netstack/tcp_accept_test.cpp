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
