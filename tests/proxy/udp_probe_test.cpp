// Which of several datagrams an ICMP error is about.
#include <netinet/udp.h>

#include "proxy/error_queue.hpp"
#include "proxy/udp_flow.hpp"
#include "tests/proxy/world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
using namespace std::chrono_literals;

namespace {

const base::Endpoint target{ip("192.0.2.1"), 33434};
constexpr base::Time start{std::chrono::hours(1)};

class Traceroute {
 public:
  // The quote of a probe is its number.
  void send(char number, std::string_view payload, base::Time now,
            const base::Endpoint& to = target) {
    netstack::UdpDatagram datagram;
    datagram.key = {{ip("10.8.0.2"), 40000}, to, base::Protocol::udp};
    datagram.payload = bytes_of(payload);
    datagram.packet = bytes_of({&number, 1});
    probes_.add(datagram, now);
  }
  char quoted_for(std::string_view payload, base::Time now, const base::Endpoint& to = target) {
    proxy::SocketError error;
    error.target = to;
    error.payload_size = payload.size();
    std::memcpy(error.payload.data(), payload.data(), payload.size());
    const netstack::Quote* quote = probes_.find(error, now);
    return quote ? std::to_integer<char>(quote->bytes()[0]) : '-';
  }

 private:
  proxy::Probes probes_;
};

}  // namespace

TEST_CASE("an error quotes the probe with its payload, in whatever order answers come") {
  Traceroute t;
  t.send('1', "one", start), t.send('2', "two", start), t.send('3', "four", start);
  CHECK(t.quoted_for("two", start) == '2');
  CHECK(t.quoted_for("four", start) == '3');
  CHECK(t.quoted_for("one", start) == '1');
  CHECK(t.quoted_for("else", start) == '-');
}

TEST_CASE("probes of different lengths are told apart by it") {
  Traceroute t;
  t.send('1', "aaaa", start), t.send('2', "aaaaaa", start), t.send('3', "aaaaaaaa", start);
  CHECK(t.quoted_for("aaaaaa", start) == '2');
  CHECK(t.quoted_for("aaaaaaaa", start) == '3');
  CHECK(t.quoted_for("aaaa", start) == '1');
}

TEST_CASE("equal probes are answered in the order they were sent") {
  Traceroute t;
  t.send('1', "x", start), t.send('2', "x", start), t.send('3', "x", start);
  CHECK(t.quoted_for("", start + 1s) == '1');
  CHECK(t.quoted_for("x", start + 1s) == '2');
  CHECK(t.quoted_for("x", start + 1s) == '3');
  CHECK(t.quoted_for("x", start + 1s) == '3');  // a second answer is to the last
}

TEST_CASE("a hop that did not answer shifts no later one") {
  Traceroute t;
  t.send('1', "x", start);
  t.send('2', "x", start + 5s);
  CHECK(t.quoted_for("x", start + 5s) == '2');
}

TEST_CASE("probes to other ports and addresses are other probes; the oldest are forgotten") {
  Traceroute t;
  const base::Endpoint other{target.address, 33435};
  t.send('1', "x", start), t.send('2', "x", start, other);
  CHECK(t.quoted_for("x", start, other) == '2');
  CHECK(t.quoted_for("x", start, {ip("192.0.2.2"), 33434}) == '-');
  for (int i = 0; i < 40; ++i) t.send('n', "y", start, other);
  CHECK(t.quoted_for("x", start) == '-');
}

TEST_CASE("equal datagrams leave as one message that the kernel splits, and come in as one") {
  Origin from(SOCK_DGRAM), to(SOCK_DGRAM);
  REQUIRE(proxy::set_option(to.fd.get(), SOL_UDP, UDP_GRO, 1));
  proxy::UdpBatch batch;
  proxy::UdpBatch::Queue queue;
  const ByteVector payload = pattern(1200);
  for (int i = 0; i < 40; ++i) {
    proxy::OutgoingDatagram datagram;
    datagram.to = to.endpoint();
    datagram.ttl = 64;
    REQUIRE(batch.add(queue, datagram, payload));
  }
  auto rule = proxy::Fragments::any;
  int refused = 0;
  std::size_t datagrams_sent = 0, bytes_sent = 0;
  batch.send(
      queue, from.fd.get(), rule, [&](auto&, int, std::size_t) { return ++refused, false; },
      [&](auto&, std::size_t count, std::size_t size) {
        datagrams_sent += count, bytes_sent += size;
      });
  CHECK(refused == 0);
  CHECK(datagrams_sent == 40);
  CHECK(bytes_sent == 40 * payload.size());
  proxy::UdpReceiver receiver;
  const int messages = receiver.receive(to.fd.get());
  REQUIRE(messages >= 1);
  CHECK(messages <= 2);
  std::size_t bytes = 0;
  for (int i = 0; i < messages; ++i) {
    CHECK(receiver[std::size_t(i)].segment == 1200);
    bytes += receiver[std::size_t(i)].data.size();
  }
  CHECK(bytes == 40 * payload.size());
}

TEST_CASE("only a datagram that some path might cut sets the socket's rule") {
  Origin from(SOCK_DGRAM), to(SOCK_DGRAM);
  proxy::UdpBatch batch;
  auto set_to = proxy::Fragments::any;
  const auto rule_after = [&](proxy::Fragments wanted) {
    proxy::UdpBatch::Queue queue;
    proxy::OutgoingDatagram datagram;
    datagram.to = to.endpoint();
    datagram.ttl = 64;
    datagram.fragments = wanted;
    batch.add(queue, datagram, bytes_of("x"));
    batch.send(
        queue, from.fd.get(), set_to, [](auto&, int, std::size_t) { return false; },
        [](auto&, std::size_t, std::size_t) {});
    batch.clear();
    int value = 0;
    socklen_t size = sizeof value;
    ::getsockopt(from.fd.get(), IPPROTO_IP, IP_MTU_DISCOVER, &value, &size);
    return value;
  };
  CHECK(rule_after(proxy::Fragments::any) == IP_PMTUDISC_WANT);
  CHECK(rule_after(proxy::Fragments::refused) == IP_PMTUDISC_DO);
  CHECK(rule_after(proxy::Fragments::any) == IP_PMTUDISC_DO);
  CHECK(rule_after(proxy::Fragments::allowed) == IP_PMTUDISC_DONT);
}

TEST_CASE("a forward on every address answers from the one that was asked") {
  for (const char* wildcard : {"0.0.0.0", "::"}) {
    World world;
    FileDescriptor listener(
        ::socket(ip(wildcard).is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    REQUIRE(proxy::bind_to(listener.get(), {ip(wildcard), 0}) == 0);
    world.proxy.add_forward({listener.get(), base::Protocol::udp, {ip("10.8.0.2"), 5000}});
    Origin remote(SOCK_DGRAM);
    const base::Endpoint asked{ip("127.0.0.5"), local_of(listener.get()).port};
    remote.send(bytes_of("knock"), asked);
    const auto in = world.wait_udp();
    REQUIRE(in);
    const base::FlowKey key{
        {ip("10.8.0.2"), 5000}, {in->ip.source, in->udp->source_port}, base::Protocol::udp};
    world.inject(build_udp({.key = key}, bytes_of("who?")));
    std::optional<std::pair<ByteVector, base::Endpoint>> got;
    REQUIRE(world.run_until([&] { return bool(got = remote.receive()); }));
    CHECK(got->second == asked);
  }
}
