// What becomes of a dial that the client no longer waits for, and deadlines that begin at the host.
#include "tests/proxy/world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
using namespace std::chrono_literals;
using F = base::TcpView;

namespace {

// A listener that takes no more connections: a dial to it stays without an answer.
struct FullOrigin {
  FullOrigin() : listener(proxy::open_socket(ip("127.0.0.1"), SOCK_STREAM)) {
    proxy::bind_to(listener.get(), {ip("127.0.0.1"), 0});
    ::listen(listener.get(), 0);
    for (FileDescriptor& filler : fillers) {
      filler = proxy::open_socket(ip("127.0.0.1"), SOCK_STREAM);
      proxy::connect_to(filler.get(), endpoint());
    }
  }
  base::Endpoint endpoint() const { return local_of(listener.get()); }
  FileDescriptor listener;
  std::array<FileDescriptor, 4> fillers;
};

}  // namespace

TEST_CASE("a client that takes its SYN back ends the dial at once") {
  World world;
  FullOrigin origin;
  HandClient client(world, origin.endpoint());
  client.send(F::syn);
  world.settle();
  REQUIRE(world.client->dialling == 1);
  client.send(F::rst);
  CHECK(world.client->dialling == 0);
  world.turn();
  CHECK(world.counters.tcp_open.get() == 0);
  CHECK(world.queue.empty());
}

TEST_CASE("a client that no longer repeats its SYN has gone, and the dial ends") {
  World world;
  FullOrigin origin;
  HandClient client(world, origin.endpoint());
  client.send(F::syn);
  world.settle();
  world.advance(5s);
  CHECK(world.client->dialling == 1);
  world.advance(5s);
  CHECK(world.client->dialling == 0);
  CHECK(world.counters.tcp_open.get() == 0);
}

TEST_CASE("a client that repeats its SYN is dialled for until the dial's own time is over") {
  World world;
  FullOrigin origin;
  HandClient client(world, origin.endpoint());
  client.send(F::syn);
  const auto repeat = [&] { --client.next, client.send(F::syn), world.turn(); };
  // RFC 6298: after 1, 3, 7, 15 and 31 seconds; the one after 7 is lost.
  world.advance(1s), repeat();
  world.advance(2s), repeat();
  world.advance(12s), repeat();
  world.advance(16s), repeat();
  CHECK(world.client->dialling == 1);
  world.advance(35s);
  CHECK(world.client->dialling == 0);
}

TEST_CASE("a deadline that begins at the host counts from then, however long nothing happened") {
  World world;
  Origin origin(SOCK_STREAM);
  HandClient client(world, origin.endpoint());
  REQUIRE(client.open());
  FileDescriptor host;
  REQUIRE(world.run_until([&] { return bool(host = origin.accept()); }));
  client.silent = true;
  world.now += 7000s;  // no packet and no tick
  REQUIRE(::send(host.get(), "x", 1, MSG_NOSIGNAL) == 1);
  REQUIRE(client.run_until([&] { return client.received.size() == 1; }));
  client.send(F::ack);
  world.advance(1000s);  // 8000 s after the last packet of the client's
  CHECK(world.counters.tcp_open.get() == 1);
  world.advance(6500s);
  CHECK(world.counters.tcp_open.get() == 0);
}

TEST_CASE("near its cap a client that acknowledges nothing is given two minutes") {
  for (const std::size_t cap : {std::size_t(8), std::size_t(4)}) {
    proxy::Limits limits;
    limits.tcp_flows = cap;
    World world(World::config(), limits);
    Origin origin(SOCK_STREAM);
    std::deque<HandClient> clients;
    std::deque<FileDescriptor> hosts;
    for (std::uint16_t port = 42000; port < 42004; ++port) {
      REQUIRE(clients.emplace_back(world, origin.endpoint(), port).open());
      FileDescriptor host;
      REQUIRE(world.run_until([&] { return bool(host = origin.accept()); }));
      hosts.push_back(std::move(host));
    }
    HandClient& dead = clients.back();
    dead.window = 0;
    dead.send(F::ack);
    REQUIRE(::send(hosts.back().get(), "x", 1, MSG_NOSIGNAL) == 1);
    world.settle();
    // It keeps its window shut and answers every probe.
    for (int i = 0; i < 130; ++i) world.advance(1s), dead.send(F::ack), world.turn();
    CHECK(world.counters.tcp_open.get() == (cap == 4 ? 3 : 4));
  }
}

TEST_CASE(
    "when both directions have ended, the origin's side does not wait for the client's last ACK") {
  World world;
  Origin origin(SOCK_STREAM);
  HandClient client(world, origin.endpoint());
  REQUIRE(client.open());
  FileDescriptor host;
  REQUIRE(world.run_until([&] { return bool(host = origin.accept()); }));
  ::shutdown(host.get(), SHUT_WR);
  REQUIRE(client.run_until([&] { return client.fin; }));
  client.silent = true;
  client.send(F::ack | F::psh | F::fin, bytes_of("end"));
  std::string got;
  bool ended = false;
  CHECK(world.run_until([&] {
    char buffer[16];
    const ssize_t n = ::recv(host.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (n > 0) got.append(buffer, std::size_t(n));
    return ended = n == 0;
  }));
  CHECK(got == "end");
}
