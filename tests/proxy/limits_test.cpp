// The limits of a client, where its bytes pass: real sockets, virtual time.
#include "tests/proxy/world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

struct Fixture {
  World world;
  Origin origin{SOCK_STREAM};
  HandClient client{world, origin.endpoint()};
  FileDescriptor remote;

  void open() {
    REQUIRE(client.open());
    REQUIRE(world.run_until([&] { return bool(remote = origin.accept()); }));
  }
  // Lets `time` pass in steps; `work` is done in each.
  template <class Work>
  void pass(base::Duration time, Work&& work) {
    for (base::Duration done{}; done < time; done += milliseconds(5)) {
      world.advance(milliseconds(5));
      world.turn();
      client.receive();
      work();
      world.turn();
    }
  }
  std::size_t fill_remote(std::size_t most) {
    const ByteVector data(std::min<std::size_t>(most, 65536), std::byte{7});
    const ssize_t n = ::send(remote.get(), data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return n > 0 ? std::size_t(n) : 0;
  }
  std::size_t drain_remote() {
    ByteVector data(65536);
    std::size_t sum = 0;
    for (ssize_t n; (n = ::recv(remote.get(), data.data(), data.size(), MSG_DONTWAIT)) > 0;)
      sum += std::size_t(n);
    return sum;
  }
};

double bits(std::size_t bytes) {
  return double(bytes) * 8;
}

}  // namespace

TEST_CASE("an origin is read no faster than its client's limit; the limit may change") {
  Fixture f;
  f.world.controls.down.set(1'000'000);
  f.open();
  const auto fill = [&] { f.fill_remote(65536); };
  f.pass(seconds(1), fill);
  std::size_t before = f.client.received.size();
  f.pass(seconds(10), fill);
  CHECK(bits(f.client.received.size() - before) == Approx(10e6).epsilon(0.03));
  f.world.controls.down.set(4'000'000);
  f.pass(seconds(1), fill);
  before = f.client.received.size();
  f.pass(seconds(5), fill);
  CHECK(bits(f.client.received.size() - before) == Approx(20e6).epsilon(0.03));
}

TEST_CASE("a host gets no more than its client's limit, and the client's window closes meanwhile") {
  Fixture f;
  f.world.controls.up.set(1'000'000);
  f.open();
  const ByteVector data(1300 * 16, std::byte{9});
  std::size_t sent = 0, taken = 0, most_waiting = 0;
  const auto push = [&] {
    sent += f.client.send_some(data);
    taken += f.drain_remote();
    most_waiting = std::max(most_waiting, sent - taken);
  };
  f.pass(seconds(1), push);
  const std::size_t before = taken;
  f.pass(seconds(10), push);
  CHECK(bits(taken - before) == Approx(10e6).epsilon(0.03));
  CHECK(most_waiting <= 600'000);
}

TEST_CASE("what a limit holds back arrives whole, and the end of it behind") {
  Fixture f;
  f.world.controls.up.set(800'000), f.world.controls.down.set(800'000);
  f.open();
  const ByteVector data(39'000, std::byte{5});
  REQUIRE(f.client.send_some(data) == data.size());
  f.client.send(HandClient::F::ack | HandClient::F::fin);
  REQUIRE(f.fill_remote(50'000) == 50'000);
  ::shutdown(f.remote.get(), SHUT_WR);
  std::size_t taken = 0;
  f.pass(milliseconds(100), [&] { taken += f.drain_remote(); });
  CHECK(taken < 20'000);
  CHECK(f.client.received.size() < 20'000);
  CHECK_FALSE(f.client.fin);
  f.pass(seconds(2), [&] { taken += f.drain_remote(); });
  CHECK(taken == data.size());
  CHECK(f.client.received.size() == 50'000);
  CHECK(f.client.fin);
  CHECK_FALSE(f.client.reset);
  char byte;
  CHECK(::recv(f.remote.get(), &byte, 1, MSG_DONTWAIT) == 0);
}

TEST_CASE("a connection reset while it waits for its turn is gone, and the others go on") {
  Fixture f;
  f.world.controls.down.set(1'000'000);
  f.open();
  HandClient other{f.world, f.origin.endpoint(), 40001};
  REQUIRE(other.open());
  FileDescriptor second;
  REQUIRE(f.world.run_until([&] { return bool(second = f.origin.accept()); }));
  const ByteVector data(60'000, std::byte{1});
  f.pass(seconds(1), [&] {
    f.fill_remote(65536);
    ::send(second.get(), data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    other.receive();
  });
  f.client.send(HandClient::F::rst);
  const std::size_t before = other.received.size();
  f.pass(seconds(2), [&] { other.receive(); });
  CHECK(bits(other.received.size() - before) == Approx(2e6).epsilon(0.06));
}

TEST_CASE("datagrams over the allowance are dropped and counted, up and down") {
  World world;
  Origin origin(SOCK_DGRAM);
  world.controls.up.set(1'000'000), world.controls.down.set(1'000'000);
  const base::FlowKey key{{ip("10.8.0.2"), 5000}, origin.endpoint(), base::Protocol::udp};
  const ByteVector payload(1000, std::byte{3});
  for (int i = 0; i < 30; ++i) world.inject(build_udp({.key = key}, payload));
  world.turn();
  std::size_t came = 0;
  base::Endpoint from;
  while (const auto datagram = origin.receive()) ++came, from = datagram->second;
  CHECK(came == 12);  // 100 ms
  CHECK(world.drops(base::Drop::over_allowance) == 18);
  CHECK(world.peer.denials.get(base::Drop::over_allowance) == 18);
  CHECK(world.peer.denied.get() == 18);

  for (int i = 0; i < 30; ++i) origin.send(payload, from);
  world.settle();
  came = 0;
  while (world.find([](const Sent& s) { return bool(s.udp); })) ++came;
  CHECK(came == 12);
  CHECK(world.peer.denials.get(base::Drop::over_allowance) == 36);
}
