// Questions over UDP: what is believed, and what is done about what is not.
#include <algorithm>
#include <set>

#include "dns/upstream_query.hpp"
#include "tests/dns/upstream_world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
using namespace std::chrono_literals;

namespace {

UdpServer good(std::uint8_t last = 1) {
  return UdpServer([last](base::Bytes query) { return Replies{answer(query, last)}; });
}

std::string tail(base::Bytes name) {
  return {reinterpret_cast<const char*>(name.data()), name.size()};
}

dns::SentQuestion sent_question(const std::string& text, base::Random& random, bool mix) {
  dns::SentQuestion sent;
  sent.id = std::uint16_t(1 + random.below(65535)), sent.type = 1, sent.class_ = 1;
  dns::set_name(sent, *dns::Name::parse(text), mix, random);
  return sent;
}

}  // namespace

TEST_CASE("a question over UDP is answered") {
  UdpServer server = good(7);
  World world(settings_of({server.address()}));
  world.servers = {&server};
  const auto outcome = world.ask("www.example.com");
  REQUIRE(world.answered(outcome));
  CHECK(last_octet(outcome->message) == 7);
  CHECK_FALSE(outcome->reply.authenticated);
  CHECK(world.counters[0].asked.get() == 1);
  CHECK(world.counters[0].answered.get() == 1);
  CHECK(world.upstreams->all() == std::vector{server.address()});
}

TEST_CASE("a question over UDP on IPv6 is answered") {
  UdpServer server([](base::Bytes query) { return Replies{answer(query, 6)}; }, 0, "::1");
  World world(settings_of({server.address()}));
  world.servers = {&server};
  const auto outcome = world.ask("www.example.com");
  REQUIRE(world.answered(outcome));
  CHECK(last_octet(outcome->message) == 6);
}

TEST_CASE("ports, IDs and the case of letters are drawn anew for each question") {
  std::set<std::string> names;
  UdpServer server([&](base::Bytes query) {
    names.insert(tail(query.subspan(12, 30)));
    return Replies{answer(query)};
  });
  World world(settings_of({server.address()}));
  world.servers = {&server};
  constexpr unsigned rounds = 1024, bins = 16;
  for (unsigned i = 0; i < rounds / 16; ++i) {
    std::vector<std::shared_ptr<Outcome>> outcomes;
    for (unsigned j = 0; j < 16; ++j) outcomes.push_back(world.ask("abcdefghijklm.example.com"));
    for (const auto& outcome : outcomes) REQUIRE(world.answered(outcome));
  }
  CHECK(names.size() > rounds * 99 / 100);
  const auto chi_square = [&](const std::vector<std::uint16_t>& values, unsigned from) {
    std::array<double, bins> counts{};
    for (const unsigned value : values) {
      REQUIRE(value >= from);
      ++counts[(value - from) * bins / (65536 - from)];
    }
    double sum = 0;
    for (const double count : counts) sum += (count - 64) * (count - 64) / 64;
    return sum;
  };
  // 15 degrees of freedom: above 37.7 once in a thousand; the seed is fixed.
  CHECK(chi_square(server.ports, 1024) < 37.7);
  CHECK(chi_square(server.ids, 1) < 37.7);
}

TEST_CASE("replies with another ID, question or type are not believed, the right one behind is") {
  UdpServer server([](base::Bytes query) {
    Message other_id = answer(query, 66), other_name = answer(query, 66);
    other_id[1] ^= std::byte{1};
    other_name[13] = std::byte{'z'};
    return Replies{other_id, other_name, answer(query, 5)};
  });
  World world(settings_of({server.address()}));
  world.servers = {&server};
  const auto outcome = world.ask("www.example.com");
  REQUIRE(world.answered(outcome));
  CHECK(last_octet(outcome->message) == 5);
  CHECK(world.counters[0].bogus.get() == 2);
}

TEST_CASE("replies from another address than was asked do not come in") {
  UdpServer other([](base::Bytes) { return Replies(); });
  Message forged;
  UdpServer server([&](base::Bytes query) {
    forged = answer(query, 66);
    return Replies();
  });
  World world(settings_of({server.address()}));
  world.servers = {&server, &other};
  const auto outcome = world.ask("www.example.com");
  REQUIRE(world.run([&] { return server.queries == 1; }));
  other.send(forged, server.last);
  world.settle();
  CHECK_FALSE(outcome->done);
  server.send(
      [&] {
        forged.back() = std::byte{4};
        return forged;
      }(),
      server.last);
  REQUIRE(world.answered(outcome));
  CHECK(last_octet(outcome->message) == 4);
}

TEST_CASE("after three wrong replies the question goes on over TCP") {
  UdpServer server([](base::Bytes query) {
    Message wrong = answer(query, 66);
    wrong[1] ^= std::byte{1};
    return Replies{wrong, wrong, wrong, answer(query, 67)};
  });
  TcpServer tcp(on_frames([](TcpServer::Connection& connection, base::Bytes query) {
                  connection.send(framed(answer(query, 9)));
                }),
                nullptr, server.port());
  World world(settings_of({server.address()}));
  world.servers = {&server, &tcp};
  const auto outcome = world.ask("www.example.com");
  REQUIRE(world.answered(outcome));
  CHECK(last_octet(outcome->message) == 9);
}

TEST_CASE("a truncated answer is asked for again over TCP, where truncation is a lie") {
  bool lie = false;
  UdpServer server([](base::Bytes query) { return Replies{with_flag(answer(query), 2, 0x02)}; });
  TcpServer tcp(on_frames([&](TcpServer::Connection& connection, base::Bytes query) {
                  Message reply = answer(query, 9);
                  if (lie) reply[2] |= std::byte{0x02};
                  connection.send(framed(reply));
                }),
                nullptr, server.port());
  World world(settings_of({server.address()}));
  world.servers = {&server, &tcp};
  const auto first = world.ask("www.example.com");
  REQUIRE(world.answered(first));
  CHECK(last_octet(first->message) == 9);
  lie = true;
  const auto second = world.ask("www.example.org");
  REQUIRE(world.answered(second));
  CHECK(second->message.empty());
  CHECK(second->reply.error == dns::ede::no_reachable_authority);
  CHECK(world.counters[0].bogus.get() == 1);
}

TEST_CASE("a server that does not keep the case is asked over TCP, then without 0x20") {
  unsigned over_tcp = 0;
  UdpServer server([](base::Bytes query) {
    Message reply = answer(query, 3);
    for (std::size_t i = 13; i < 16; ++i) reply[i] |= std::byte{0x20};  // "www"
    for (std::size_t i = 17; i < 24; ++i) reply[i] |= std::byte{0x20};  // "example"
    for (std::size_t i = 25; i < 28; ++i) reply[i] |= std::byte{0x20};  // "com"
    return Replies{reply};
  });
  TcpServer tcp(on_frames([&](TcpServer::Connection& connection, base::Bytes query) {
                  ++over_tcp;
                  connection.send(framed(answer(query, 9)));
                }),
                nullptr, server.port());
  World world(settings_of({server.address()}));
  world.servers = {&server, &tcp};
  for (unsigned i = 0; i < 3; ++i) {
    CHECK(world.counters[0].plain_case.get() == 0);
    const auto outcome = world.ask("www.example.com");
    REQUIRE(world.answered(outcome));
    CHECK(last_octet(outcome->message) == 9);
  }
  CHECK(world.counters[0].plain_case.get() == 1);
  const auto plain = world.ask("www.example.com");
  REQUIRE(world.answered(plain));
  CHECK(last_octet(plain->message) == 3);
  CHECK(over_tcp == 3);
  world.now += 2h;  // then it is tried again
  const auto again = world.ask("www.example.com");
  REQUIRE(world.answered(again));
  CHECK(over_tcp == 4);
  CHECK(world.counters[0].plain_case.get() == 0);
}

TEST_CASE("a server that refuses OPT is asked without it, from then on at once") {
  unsigned with_opt = 0;
  UdpServer server([&](base::Bytes query) {
    const bool opt = query[11] != std::byte{0};
    with_opt += opt ? 1 : 0;
    if (!opt) return Replies{answer(query, 8)};
    Message refusal(query.begin(), query.begin() + 12);
    refusal[2] = std::byte{0x81}, refusal[3] = std::byte{0x81};
    refusal[5] = refusal[11] = std::byte{0};
    return Replies{refusal};
  });
  World world(settings_of({server.address()}));
  world.servers = {&server};
  for (unsigned i = 0; i < 2; ++i) {
    const auto outcome = world.ask("www.example.com");
    REQUIRE(world.answered(outcome));
    CHECK(last_octet(outcome->message) == 8);
  }
  CHECK(with_opt == 1);
}

TEST_CASE("a question without an answer is repeated after a second and given up after five") {
  UdpServer server([](base::Bytes) { return Replies(); });
  World world(settings_of({server.address()}));
  world.servers = {&server};
  const auto outcome = world.ask("www.example.com");
  world.advance(999ms);
  CHECK(server.queries == 1);
  world.advance(2ms);
  CHECK(server.queries == 2);
  CHECK(server.ids[0] != server.ids[1]);
  CHECK(server.ports[0] != server.ports[1]);
  for (int i = 0; i < 3; ++i) world.advance(1s);
  CHECK_FALSE(outcome->done);
  CHECK(world.upstreams->next_deadline() <= world.now + 1s);
  world.advance(1s);
  REQUIRE(outcome->done);
  CHECK(outcome->message.empty());
  CHECK(outcome->reply.error == dns::ede::no_reachable_authority);
  CHECK(server.queries == 2);
  CHECK(world.counters[0].timeouts.get() == 2);
}

TEST_CASE("a reply that comes late is taken while its question is open, and not afterwards") {
  Message kept;
  base::Endpoint asker;
  UdpServer server([&](base::Bytes query) {
    if (kept.empty()) kept = answer(query, 5);
    return Replies();
  });
  World world(settings_of({server.address()}));
  world.servers = {&server};
  const auto outcome = world.ask("www.example.com");
  REQUIRE(world.run([&] { return server.queries == 1; }));
  asker = server.last;
  world.advance(1500ms);
  server.send(kept, asker);
  REQUIRE(world.answered(outcome));
  CHECK(last_octet(outcome->message) == 5);
  server.send(kept, asker);  // a duplicate: nobody is there
  const auto next = world.ask("www.example.com");
  world.settle();
  CHECK_FALSE(next->done);
}

TEST_CASE("a port where nobody listens is a failure at once") {
  UdpServer server = good();
  const std::string address = server.address();
  server.close();
  World world(settings_of({address}));
  const auto outcome = world.ask("www.example.com");
  REQUIRE(world.answered(outcome));
  CHECK(outcome->reply.error == dns::ede::network_error);
  CHECK(world.counters[0].failures.get() == 1);
  // It rests now: questions fail without being sent, but for one a second.
  const auto fast = world.ask("www.example.com");
  REQUIRE(world.answered(fast));
  CHECK(world.counters[0].asked.get() == 1);
}

TEST_CASE("of two hundred thousand guesses at a reply none fits") {
  SeededRandom random(42);
  const dns::SentQuestion sent = sent_question("www.example.com", random, true);
  std::array<std::byte, dns::max_query> buffer;
  const std::size_t size = dns::write(buffer, sent, {});
  const Message right = answer(base::Bytes(buffer).first(size));
  REQUIRE(dns::fit(right, sent, true) == dns::Fit::yes);
  // Who guesses knows the name but not its case, and not the ID.
  dns::SentQuestion guess = sent;
  unsigned accepted = 0, lucky = 0;
  for (unsigned i = 0; i < 200'000; ++i) {
    guess.id = std::uint16_t(random.u32());
    dns::set_name(guess, *dns::Name::parse("www.example.com"), true, random);
    Message forged = right;
    forged[0] = std::byte(guess.id >> 8), forged[1] = std::byte(guess.id & 0xff);
    std::copy(guess.name.begin(), guess.name.begin() + guess.name_size, forged.begin() + 12);
    const bool same =
        guess.id == sent.id &&
        std::equal(guess.name.begin(), guess.name.begin() + guess.name_size, sent.name.begin());
    lucky += same ? 1 : 0;
    if (dns::fit(forged, sent, true) == dns::Fit::yes) accepted += same ? 0 : 1;
  }
  CHECK(lucky == 0);
  CHECK(accepted == 0);
}

TEST_CASE("a malformed answer is no answer") {
  UdpServer server([](base::Bytes query) {
    Message reply = answer(query);
    reply.push_back(std::byte{0});
    return Replies{reply};
  });
  World world(settings_of({server.address()}));
  world.servers = {&server};
  const auto outcome = world.ask("www.example.com");
  REQUIRE(world.answered(outcome));
  CHECK(outcome->message.empty());
  CHECK(world.counters[0].bogus.get() == 1);
}

TEST_CASE("questions leave from the source address of the configuration, over TCP too") {
  UdpServer server([](base::Bytes query) { return Replies{with_flag(answer(query), 2, 0x02)}; });
  sockaddr_storage from{};
  TcpServer tcp(on_frames([&](TcpServer::Connection& connection, base::Bytes query) {
                  socklen_t size = sizeof from;
                  ::getpeername(connection.fd.get(), reinterpret_cast<sockaddr*>(&from), &size);
                  connection.send(framed(answer(query, 9)));
                }),
                nullptr, server.port());
  const auto source = *base::IpAddress::parse("127.0.0.2");
  World world(settings_of({server.address()}), nullptr, source);
  world.servers = {&server, &tcp};
  REQUIRE(world.answered(world.ask("www.example.com")));
  CHECK(server.last.address == source);
  CHECK(base::Endpoint::from_sockaddr(from).address == source);
}

TEST_CASE("an address of five octets is no answer, and another server is asked") {
  UdpServer bad([](base::Bytes query) {
    Message reply = answer(query);
    reply.push_back(std::byte{0});
    reply[reply.size() - 6] = std::byte{5};  // RDLENGTH: the record is the last
    return Replies{reply};
  });
  UdpServer honest = good(2);
  World world(settings_of({bad.address(), honest.address()}));
  world.servers = {&bad, &honest};
  for (int i = 0; i < 10; ++i) {
    const auto outcome = world.ask("www.example.com");
    REQUIRE(world.answered(outcome));
    CHECK(last_octet(outcome->message) == 2);
  }
  CHECK(bad.queries > 0);
}
