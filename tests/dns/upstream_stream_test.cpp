// Questions over TCP: framing, order, loss of the connection.
#include "dns/upstream_stream.hpp"
#include "tests/dns/upstream_world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
using namespace std::chrono_literals;

namespace {

std::string name_of(unsigned i) {
  return "n" + std::to_string(i) + ".example.com";
}

TcpServer::Handler answering(std::uint8_t last = 1) {
  return on_frames([last](TcpServer::Connection& connection, base::Bytes query) {
    connection.send(framed(answer(query, last)));
  });
}

std::vector<std::shared_ptr<Outcome>> ask_many(World& world, unsigned count) {
  std::vector<std::shared_ptr<Outcome>> out;
  for (unsigned i = 0; i < count; ++i) out.push_back(world.ask(name_of(i)));
  return out;
}

bool all_answered(World& world, const std::vector<std::shared_ptr<Outcome>>& outcomes) {
  for (const auto& outcome : outcomes)
    if (!world.answered(outcome) || outcome->message.empty()) return false;
  return true;
}

}  // namespace

TEST_CASE("questions over TCP share a connection and are answered in any order") {
  std::vector<Message> waiting;
  TcpServer server(on_frames([&](TcpServer::Connection& connection, base::Bytes query) {
    waiting.push_back(answer(query, std::uint8_t(waiting.size())));
    if (waiting.size() < 20) return;
    for (auto at = waiting.rbegin(); at != waiting.rend(); ++at) connection.send(framed(*at));
  }));
  World world(settings_of({"tcp://" + server.address()}));
  world.servers = {&server};
  const auto outcomes = ask_many(world, 20);
  REQUIRE(all_answered(world, outcomes));
  CHECK(server.accepted == 1);
  for (unsigned i = 0; i < 20; ++i) CHECK(last_octet(outcomes[i]->message) == i);
}

TEST_CASE("answers that come octet by octet are put together") {
  Message stream;
  TcpServer server(on_frames([&](TcpServer::Connection&, base::Bytes query) {
    const Message frame = framed(answer(query, 4));
    stream.insert(stream.end(), frame.begin(), frame.end());
  }));
  World world(settings_of({"tcp://" + server.address()}));
  world.servers = {&server};
  const auto outcomes = ask_many(world, 3);
  REQUIRE(world.run([&] { return stream.size() > 100; }));
  for (std::byte octet : stream) {
    server.connections.front().send(base::Bytes(&octet, 1));
    world.settle();
  }
  CHECK(all_answered(world, outcomes));
}

TEST_CASE("questions under way when the connection is closed are asked once more on another") {
  unsigned queries = 0;
  TcpServer server(on_frames([&](TcpServer::Connection& connection, base::Bytes query) {
    ++queries;
    if (queries <= 5) return;
    connection.send(framed(answer(query, 2)));
  }));
  World world(settings_of({"tcp://" + server.address()}));
  world.servers = {&server};
  const auto outcomes = ask_many(world, 5);
  REQUIRE(world.run([&] { return queries == 5; }));
  server.close_all();
  REQUIRE(all_answered(world, outcomes));
  CHECK(server.accepted == 2);
  CHECK(queries == 10);
}

TEST_CASE("a server that closes every connection is given up, not asked for ever") {
  unsigned queries = 0;
  TcpServer server(on_frames([&](TcpServer::Connection& connection, base::Bytes) {
    ++queries;
    connection.closing = true;
  }));
  World world(settings_of({"tcp://" + server.address()}));
  world.servers = {&server};
  const auto outcome = world.ask("www.example.com");
  REQUIRE(world.answered(outcome));
  CHECK(outcome->message.empty());
  CHECK(outcome->reply.error == dns::ede::network_error);
  CHECK(queries == 2);
}

TEST_CASE("a frame that is too short for a message ends the connection") {
  unsigned queries = 0;
  TcpServer server(on_frames([&](TcpServer::Connection& connection, base::Bytes query) {
    if (++queries == 1) connection.send(framed(Message(5)));
    if (queries > 1) connection.send(framed(answer(query, 3)));
  }));
  World world(settings_of({"tcp://" + server.address()}));
  world.servers = {&server};
  const auto outcome = world.ask("www.example.com");
  REQUIRE(world.answered(outcome));
  CHECK(last_octet(outcome->message) == 3);
  CHECK(server.accepted == 2);
}

TEST_CASE("a frame of 65535 octets that never ends is held in bounds and given up") {
  TcpServer server(on_frames([&](TcpServer::Connection& connection, base::Bytes) {
    Message half(40000, std::byte{0x11});
    half[0] = half[1] = std::byte{0xff};
    connection.send(half);
  }));
  World world(settings_of({"tcp://" + server.address()}));
  world.servers = {&server};
  const auto outcome = world.ask("www.example.com");
  for (int i = 0; i < 6; ++i) world.advance(1s);
  REQUIRE(outcome->done);
  CHECK(outcome->message.empty());
}

TEST_CASE("a wrong answer on a connection is not believed") {
  TcpServer server(on_frames([&](TcpServer::Connection& connection, base::Bytes query) {
    Message wrong = answer(query, 66);
    wrong[13] = std::byte{'z'};
    connection.send(framed(wrong));
  }));
  World world(settings_of({"tcp://" + server.address()}));
  world.servers = {&server};
  const auto outcome = world.ask("www.example.com");
  REQUIRE(world.answered(outcome));
  CHECK(outcome->message.empty());
  CHECK(world.counters[0].bogus.get() == 1);
}

TEST_CASE("a connection that has nothing to do is closed after ten seconds") {
  TcpServer server(answering());
  World world(settings_of({"tcp://" + server.address()}));
  world.servers = {&server};
  REQUIRE(world.answered(world.ask("www.example.com")));
  CHECK(world.upstreams->next_deadline() == world.now + 10s);
  world.advance(9s);
  CHECK(server.connections.size() == 1);
  world.advance(2s);
  CHECK(server.connections.empty());
  CHECK(world.upstreams->next_deadline() == base::never);
}

TEST_CASE("a connection that has gone silent is replaced after a second") {
  bool silent = false;
  TcpServer server(on_frames([&](TcpServer::Connection& connection, base::Bytes query) {
    if (!silent) connection.send(framed(answer(query, 2)));
  }));
  World world(settings_of({"tcp://" + server.address()}));
  world.servers = {&server};
  REQUIRE(world.answered(world.ask("a.example.com")));
  silent = true;
  world.advance(1ms);
  const auto outcome = world.ask("b.example.com");
  world.settle();
  silent = false;
  world.advance(1001ms);
  REQUIRE(world.answered(outcome));
  CHECK(server.accepted == 2);
}

TEST_CASE("frames are cut the same however they come") {
  Message stream;
  for (std::size_t size : {12u, 300u, 65535u, 13u}) {
    const Message frame = framed(Message(size, std::byte(size & 0xff)));
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  for (std::size_t piece : {1u, 7u, 4096u, 70000u}) {
    dns::FrameReader reader;
    std::vector<std::size_t> sizes;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      const base::Bytes part = base::Bytes(stream).subspan(at, std::min(piece, stream.size() - at));
      REQUIRE(reader.take(part, [&](base::Bytes message) {
        sizes.push_back(message.size());
        return true;
      }));
    }
    CHECK(sizes == std::vector<std::size_t>{12, 300, 65535, 13});
    CHECK(reader.pending() == 0);
  }
}

TEST_CASE("more questions than one connection takes go over a second, and none fails") {
  TcpServer server(answering());
  World world(settings_of({"tcp://" + server.address()}));
  world.servers = {&server};
  const auto outcomes = ask_many(world, 300);
  REQUIRE(all_answered(world, outcomes));
  CHECK(server.accepted == 2);
}

TEST_CASE("more questions than all connections take fail alone, and the server does not rest") {
  TcpServer server(answering());
  World world(settings_of({"tcp://" + server.address()}));
  world.servers = {&server};
  const auto outcomes = ask_many(world, 2100);
  unsigned answered = 0;
  for (const auto& outcome : outcomes) {
    REQUIRE(world.answered(outcome));
    answered += outcome->message.empty() ? 0 : 1;
  }
  CHECK(answered == 2048);
  CHECK(world.counters[0].resting.get() == 0);
}
