// Questions over TLS: who is believed to be the server.
#include "dns/upstream_query.hpp"
#include "tests/dns/certificates.hpp"
#include "tests/dns/upstream_world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
using namespace std::chrono_literals;

namespace {

struct Tls {
  explicit Tls(const Authority::Wanted& wanted = {})
      : server(on_frames([this](TcpServer::Connection& connection, base::Bytes query) {
                 sizes.push_back(query.size());
                 connection.send(framed(answer(query, 5)));
               }),
               authority.server(wanted)) {}

  std::string at(const std::string& behind) const { return "tls://" + server.address() + behind; }

  // Asks once of an upstream that is written so.
  std::shared_ptr<Outcome> ask(const std::string& upstream) {
    world = std::make_unique<World>(settings_of({upstream}), &authority.trust());
    world->servers = {&server};
    const auto outcome = world->ask("www.example.com");
    REQUIRE(world->answered(outcome));
    return outcome;
  }

  Authority authority;
  std::vector<std::size_t> sizes;
  TcpServer server;
  std::unique_ptr<World> world;
};

bool refused(const std::shared_ptr<Outcome>& outcome) {
  return outcome->message.empty() && outcome->reply.error == dns::ede::network_error;
}

}  // namespace

TEST_CASE("a server whose certificate has the name is asked over TLS, its queries padded") {
  Tls tls;
  const auto outcome = tls.ask(tls.at("#dns.example"));
  CHECK(last_octet(outcome->message) == 5);
  CHECK(outcome->reply.authenticated);
  CHECK(tls.authority.asked_name == "dns.example");
  CHECK(tls.authority.asked_alpn ==
        "\x03"
        "dot");
  REQUIRE(tls.sizes.size() == 1);
  CHECK(tls.sizes[0] % 128 == 0);
}

TEST_CASE("a certificate may name the server's address") {
  Tls tls({.name = "127.0.0.1"});
  CHECK(last_octet(tls.ask(tls.at(""))->message) == 5);
  CHECK(tls.authority.asked_name.empty());
}

TEST_CASE("questions over TLS share a connection") {
  Tls tls;
  tls.ask(tls.at("#dns.example"));
  std::vector<std::shared_ptr<Outcome>> outcomes;
  for (int i = 0; i < 100; ++i) outcomes.push_back(tls.world->ask("www.example.com"));
  for (const auto& outcome : outcomes) {
    REQUIRE(tls.world->answered(outcome));
    CHECK(last_octet(outcome->message) == 5);
  }
  CHECK(tls.server.accepted == 1);
}

TEST_CASE("whom to trust may be said later, and holds for connections that are there") {
  Tls tls;
  tls.world = std::make_unique<World>(settings_of({tls.at("#dns.example")}), nullptr);
  tls.world->servers = {&tls.server};
  const auto ask = [&] {
    const auto outcome = tls.world->ask("www.example.com");
    REQUIRE(tls.world->answered(outcome));
    return outcome;
  };
  CHECK(refused(ask()));
  tls.world->upstreams->set_trust(tls.authority.trust());
  CHECK(last_octet(ask()->message) == 5);
  const Authority other;
  tls.world->upstreams->set_trust(other.trust());
  CHECK(refused(ask()));
  tls.world->upstreams->set_trust(tls.authority.trust());
  CHECK(last_octet(ask()->message) == 5);
}

TEST_CASE("a session is resumed on the next connection") {
  Tls tls;
  tls.ask(tls.at("#dns.example"));
  tls.world->settle();
  tls.server.close_all();
  tls.world->settle();
  const auto outcome = tls.world->ask("www.example.com");
  REQUIRE(tls.world->answered(outcome));
  CHECK(last_octet(outcome->message) == 5);
  CHECK(outcome->reply.authenticated);
  CHECK(tls.server.accepted == 2);
  CHECK(tls.server.resumed == 1);
}

TEST_CASE("a certificate for another name is refused") {
  Tls tls;
  CHECK(refused(tls.ask(tls.at("#other.example"))));
  CHECK(refused(tls.ask(tls.at(""))));
  CHECK(tls.sizes.empty());
}

TEST_CASE("an expired certificate is refused") {
  Tls tls({.expired = true});
  CHECK(refused(tls.ask(tls.at("#dns.example"))));
  CHECK(tls.sizes.empty());
}

TEST_CASE("a certificate that nobody signed is refused, unless its key is pinned") {
  Tls tls({.self_signed = true});
  CHECK(refused(tls.ask(tls.at("#dns.example"))));
  CHECK(tls.sizes.empty());
  const auto outcome = tls.ask(tls.at("#sha256/" + tls.authority.pin()));
  CHECK(last_octet(outcome->message) == 5);
  CHECK(outcome->reply.authenticated);
}

TEST_CASE("a key other than the pinned one is refused, even with a good certificate") {
  Tls tls;
  CHECK(refused(tls.ask(tls.at("#dns.example,sha256/" + std::string(43, 'A') + "="))));
  CHECK(tls.sizes.empty());
}

TEST_CASE("a version of TLS below 1.2 is refused") {
  Tls tls({.old_version = true});
  CHECK(refused(tls.ask(tls.at("#dns.example"))));
  CHECK(tls.sizes.empty());
}

TEST_CASE("without authorities nothing is asked over TLS") {
  Tls tls;
  World world(settings_of({tls.at("#dns.example")}));
  world.servers = {&tls.server};
  const auto outcome = world.ask("www.example.com");
  REQUIRE(world.answered(outcome));
  CHECK(refused(outcome));
  CHECK(tls.server.accepted == 0);
}

TEST_CASE("a server that does not speak TLS is refused") {
  TcpServer plain([](TcpServer::Connection& connection) {
    connection.in.clear();
    connection.send(framed(Message(100)));
  });
  Authority authority;
  World world(settings_of({"tls://" + plain.address() + "#dns.example"}), &authority.trust());
  world.servers = {&plain};
  const auto outcome = world.ask("www.example.com");
  REQUIRE(world.answered(outcome));
  CHECK(refused(outcome));
}

TEST_CASE("a handshake that goes nowhere is given up after three seconds") {
  TcpServer silent([](TcpServer::Connection& connection) { connection.in.clear(); });
  Authority authority;
  World world(settings_of({"tls://" + silent.address() + "#dns.example"}), &authority.trust());
  world.servers = {&silent};
  const auto outcome = world.ask("www.example.com");
  for (int i = 0; i < 4; ++i) world.advance(1s);
  REQUIRE(outcome->done);
  CHECK(refused(outcome));
}

TEST_CASE("where encryption is demanded nothing leaves in the clear") {
  UdpServer clear([](base::Bytes query) { return Replies{answer(query, 1)}; });
  dns::Settings settings = settings_of({clear.address()});
  settings.fallback = {clear.address(), "tcp://" + clear.address()};
  settings.encrypted_only = true;
  World world(settings);
  world.servers = {&clear};
  const std::uint32_t set = world.upstreams->set_of({clear.address()});
  for (const std::uint32_t each : {0u, set}) {
    const auto outcome = world.ask("www.example.com", each);
    REQUIRE(world.answered(outcome));
    CHECK(refused(outcome));
  }
  CHECK(clear.queries == 0);
}
