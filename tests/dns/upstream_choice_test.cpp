// Which server is asked: by latency, with hedging, rest, fallback, and sets of policies.
#include "tests/dns/upstream_world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
using namespace std::chrono_literals;

namespace {

// Answers with its number, or as `mood` says.
struct Numbered {
  enum class Mood { good, silent, servfail };
  explicit Numbered(std::uint8_t n)
      : server([this, n](base::Bytes query) {
          if (mood == Mood::silent) return Replies();
          if (mood == Mood::servfail) return Replies{answer(query, n, dns::rcode::servfail)};
          return Replies{answer(query, n)};
        }) {}
  std::string address() const { return server.address(); }
  Mood mood = Mood::good;
  UdpServer server;
};
using Mood = Numbered::Mood;

struct Two {
  explicit Two(dns::Settings settings = {}) {
    settings.upstream = {one.address(), two.address()};
    settings.fallback = {three.address(), four.address()};
    world = std::make_unique<World>(settings);
    for (Numbered* each : {&one, &two, &three, &four}) world->servers.push_back(&each->server);
  }
  unsigned ask() {
    const auto outcome = world->ask("www.example.com");
    if (!world->answered(outcome)) return 999;
    return last_octet(outcome->message);
  }
  Numbered one{1}, two{2}, three{3}, four{4};
  std::unique_ptr<World> world;
};

}  // namespace

TEST_CASE("the faster of two is asked, the other when that is late") {
  Two all;
  // Both are measured: nothing is known at first, so each is tried.
  for (int i = 0; i < 40; ++i) REQUIRE(all.ask() <= 2);
  CHECK(all.one.server.queries > 0);
  CHECK(all.two.server.queries > 0);
  all.one.mood = Mood::silent;
  const auto outcome = all.world->ask("late.example.com");
  all.world->advance(10ms);
  // Its 95th percentile, at least 20 ms; at most a second.
  all.world->advance(1s);
  REQUIRE(all.world->answered(outcome));
  CHECK(last_octet(outcome->message) == 2);
  // From now on the silent one is known to be slow.
  const unsigned before = all.one.server.queries;
  for (int i = 0; i < 20; ++i) REQUIRE(all.ask() == 2);
  CHECK(all.one.server.queries == before);
}

TEST_CASE("a server that fails rests, and is asked again when it is back") {
  Two all;
  const std::uint16_t port = all.one.server.port();
  all.one.server.close();
  for (int i = 0; i < 30; ++i) REQUIRE(all.ask() == 2);
  CHECK(all.world->counters[0].failures.get() == 1);
  all.world->advance(1ms);
  CHECK(all.world->counters[0].resting.get() == 1);
  UdpServer back([](base::Bytes query) { return Replies{answer(query, 1)}; }, port);
  all.world->servers.push_back(&back);
  all.two.server.close();
  all.world->advance(5s);
  REQUIRE(all.ask() == 1);
  all.world->advance(1ms);
  CHECK(all.world->counters[0].resting.get() == 0);
}

TEST_CASE("fallbacks are asked in their order when all of the set have failed") {
  Two all;
  all.one.server.close();
  all.two.server.close();
  for (int i = 0; i < 10; ++i) REQUIRE(all.ask() == 3);
  CHECK(all.four.server.queries == 0);
  all.three.server.close();
  for (int i = 0; i < 10; ++i) REQUIRE(all.ask() == 4);
}

TEST_CASE("fallbacks are asked when the set stays silent") {
  Two all;
  all.one.mood = all.two.mood = Mood::silent;
  const auto outcome = all.world->ask("www.example.com");
  all.world->advance(300ms);
  CHECK(all.one.server.queries + all.two.server.queries == 2);
  all.world->advance(1s);
  CHECK(all.three.server.queries == 0);
  all.world->advance(1s);
  REQUIRE(all.world->answered(outcome));
  CHECK(last_octet(outcome->message) == 3);
}

TEST_CASE("a server that fails to answer leaves it to another; if none can, that is the answer") {
  Two all;
  all.one.mood = Mood::servfail;
  for (int i = 0; i < 10; ++i) REQUIRE(all.ask() == 2);
  all.two.mood = Mood::servfail;
  const auto outcome = all.world->ask("www.example.com");
  REQUIRE(all.world->answered(outcome));
  REQUIRE(outcome->message.size() > 4);
  CHECK((std::uint8_t(outcome->message[3]) & 15) == dns::rcode::servfail);
  CHECK(all.three.server.queries == 0);
}

TEST_CASE("an error that says nothing of the name is left to another server") {
  for (const unsigned code : {1u, 2u, 4u, 5u, 9u, 15u}) {
    UdpServer bad(
        [code](base::Bytes query) { return Replies{answer(query, 1, std::uint8_t(code))}; });
    Numbered good(2);
    World world(settings_of({bad.address(), good.address()}));
    world.servers = {&bad, &good.server};
    for (int i = 0; i < 10; ++i) {
      const auto outcome = world.ask("www.example.com");
      REQUIRE(world.answered(outcome));
      CHECK(last_octet(outcome->message) == 2);
    }
    CHECK(bad.queries > 0);
  }
}

TEST_CASE("when everybody has failed one question is sent now and then, others fail at once") {
  UdpServer closed([](base::Bytes) { return Replies(); });
  const std::uint16_t port = closed.port();
  closed.close();
  World world(settings_of({closed.address()}));
  REQUIRE(world.answered(world.ask("www.example.com")));
  for (int i = 0; i < 10; ++i) {
    const auto outcome = world.ask("www.example.com");
    world.settle();
    REQUIRE(outcome->done);
  }
  CHECK(world.counters[0].asked.get() == 1);
  UdpServer back([](base::Bytes query) { return Replies{answer(query, 1)}; }, port);
  world.servers = {&back};
  world.advance(5100ms);
  const auto outcome = world.ask("www.example.com");
  REQUIRE(world.answered(outcome));
  CHECK(last_octet(outcome->message) == 1);
}

TEST_CASE("names that are never answered keep nobody from the only server") {
  UdpServer server([](base::Bytes query) {
    const bool silent = std::to_integer<char>(query[12]) == 6;  // the length of its first label
    return silent ? Replies() : Replies{answer(query, 1)};
  });
  World world(settings_of({server.address()}));
  world.servers = {&server};
  for (int round = 0; round < 4; ++round) {
    std::vector<std::shared_ptr<Outcome>> silent;
    for (int i = 0; i < 20; ++i) silent.push_back(world.ask("silent.example.com"));
    for (int i = 0; i < 6; ++i) world.advance(1s);
    for (const auto& outcome : silent) REQUIRE(outcome->done);
    CHECK(world.counters[0].resting.get() == 1);
    const auto next = world.ask("silent.example.com");  // whatever may be sent now and then
    const auto outcome = world.ask("www.example.com");
    REQUIRE(world.answered(outcome));
    CHECK(last_octet(outcome->message) == 1);
    CHECK(world.counters[0].resting.get() == 0);
  }
}

TEST_CASE("a server that answers meanwhile is not put to rest by names that it does not answer") {
  UdpServer server([](base::Bytes query) {
    const bool silent = std::to_integer<char>(query[12]) == 6;
    return silent ? Replies() : Replies{answer(query, 1)};
  });
  World world(settings_of({server.address()}));
  world.servers = {&server};
  std::vector<std::shared_ptr<Outcome>> silent;
  for (int i = 0; i < 20; ++i) silent.push_back(world.ask("silent.example.com"));
  for (int i = 0; i < 6; ++i) {
    world.advance(1s);
    if (i == 2) REQUIRE(world.answered(world.ask("www.example.com")));
  }
  for (const auto& outcome : silent) REQUIRE(outcome->done);
  CHECK(world.counters[0].resting.get() == 0);
}

TEST_CASE("sets of policies ask their own servers and no fallback") {
  Two all;
  Numbered five(5);
  all.world->servers.push_back(&five.server);
  const std::uint32_t set = all.world->upstreams->set_of({five.address()});
  CHECK(set != 0);
  CHECK(all.world->upstreams->set_of({five.address()}) == set);
  CHECK(all.world->upstreams->set_of({}) == 0);
  const auto outcome = all.world->ask("www.example.com", set);
  REQUIRE(all.world->answered(outcome));
  CHECK(last_octet(outcome->message) == 5);
  CHECK(outcome->reply.upstream == 4);
  CHECK(all.world->upstreams->all() == std::vector{all.one.address(), all.two.address(),
                                                   all.three.address(), all.four.address(),
                                                   five.address()});
  five.server.close();
  const auto failed = all.world->ask("www.example.com", set);
  REQUIRE(all.world->answered(failed));
  CHECK(failed->message.empty());
  CHECK(all.three.server.queries == 0);
}

TEST_CASE("a change of settings keeps what stays, with its counters in their new place") {
  Two all;
  Numbered five(5);
  all.world->servers.push_back(&five.server);
  const std::uint32_t before = all.world->upstreams->set_of({five.address()});
  REQUIRE(all.world->answered(all.world->ask("www.example.com", before)));
  for (int i = 0; i < 10; ++i) all.ask();
  const std::uint64_t asked = all.world->counters[1].asked.get();
  REQUIRE(asked > 0);
  all.world->upstreams->set_settings(settings_of({all.two.address()}));
  const std::uint32_t after = all.world->upstreams->set_of({five.address()});
  CHECK(all.world->upstreams->all() == std::vector{all.two.address(), five.address()});
  CHECK(all.world->counters[0].asked.get() == asked);
  CHECK(all.world->counters[1].asked.get() == 1);
  CHECK(all.world->counters[2].asked.get() == 0);
  for (const std::uint32_t set : {0u, after}) {
    const auto outcome = all.world->ask("www.example.com", set);
    REQUIRE(all.world->answered(outcome));
    CHECK(last_octet(outcome->message) == (set == 0 ? 2 : 5));
  }
  const unsigned ones = all.one.server.queries;
  for (int i = 0; i < 10; ++i) CHECK(all.ask() == 2);
  CHECK(all.one.server.queries == ones);
}

TEST_CASE("questions under way when the settings change are answered all the same") {
  Two all;
  all.one.mood = all.two.mood = Mood::silent;
  const auto outcome = all.world->ask("www.example.com");
  all.world->settle();
  all.world->upstreams->set_settings(settings_of({all.three.address()}));
  for (int i = 0; i < 6; ++i) all.world->advance(1s);
  CHECK(outcome->done);
  CHECK(all.ask() == 3);
}

TEST_CASE("there are at most 64 upstreams") {
  World world;
  for (int i = 1; i <= 70; ++i) world.upstreams->set_of({"192.0.2." + std::to_string(i)});
  CHECK(world.upstreams->all().size() == dns::max_upstreams);
}

TEST_CASE("without an upstream in the configuration the host's resolvers are asked") {
  Numbered one(1);
  dns::Settings settings;
  settings.system = {one.address()};
  World world(settings);
  world.servers = {&one.server};
  const auto outcome = world.ask("www.example.com");
  REQUIRE(world.answered(outcome));
  CHECK(last_octet(outcome->message) == 1);
}

TEST_CASE(
    "the name of an upstream is asked of the bootstrap resolvers, anew when its TTL is over") {
  Numbered one(1);
  unsigned fails = 0;
  UdpServer bootstrap([&](base::Bytes query) {
    return Replies{answer(query, 1, fails > 0 ? dns::rcode::servfail : 0)};
  });
  dns::Settings settings = settings_of({"dns.example:" + std::to_string(one.server.port())});
  settings.bootstrap = {bootstrap.address()};
  World world(settings);
  world.servers = {&one.server, &bootstrap};
  for (int i = 0; i < 3; ++i) {
    const auto outcome = world.ask("www.example.com");
    REQUIRE(world.answered(outcome));
    CHECK(last_octet(outcome->message) == 1);
  }
  CHECK(bootstrap.queries == 2);  // A and AAAA
  world.advance(301s);
  fails = 1;  // the old address serves until there is a new one
  REQUIRE(world.answered(world.ask("www.example.com")));
  world.settle();
  CHECK(bootstrap.queries == 4);
}

TEST_CASE("a bootstrap resolver given by name is left out, so nothing can loop") {
  Numbered one(1);
  const std::string named = "dns.example:" + std::to_string(one.server.port());
  dns::Settings settings = settings_of({named});
  settings.bootstrap = {named, "tls://dns.example"};
  World world(settings);
  world.servers = {&one.server};
  const auto outcome = world.ask("www.example.com");
  REQUIRE(world.answered(outcome));
  CHECK(outcome->message.empty());
  CHECK(outcome->reply.error == dns::ede::network_error);
  CHECK(one.server.queries == 0);
}
