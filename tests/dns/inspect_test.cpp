// The judging of answers: chains, service bindings, addresses, rebinding.
#include "dns/block_answer.hpp"
#include "dns/inspection.hpp"
#include "dns/private_address.hpp"
#include "tests/dns/filter_support.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::dns;
using namespace culvert::dns::test;

namespace {

// What inspect() says of an answer, after what of_question() said of its name.
std::string look(World& world, const AnswerBuilder& answer, std::string_view asked,
                 std::uint16_t type = type::a, Verdict* out = nullptr) {
  Octets buffer(4096);
  CleanAnswer clean;
  const Name about = name(asked);
  clean_answer(answer.bytes(), {about, type}, buffer, clean);
  REQUIRE(clean.ok());
  const Verdict first = world.filter->of_question(*world.client, about, type, world.now);
  const Verdict verdict =
      inspect(*world.filter, *world.client, about, type, first, clean.message, world.now);
  CHECK(verdict.by_chain == (verdict.what != Verdict::What::pass));
  if (out) *out = verdict;
  return world.words(verdict);
}

std::string look_at(World& world, std::string_view address, std::string_view asked = "a.example") {
  const std::uint16_t type = address.find(':') == address.npos ? type::a : type::aaaa;
  AnswerBuilder answer(asked, type);
  answer.a(asked, address);
  return look(world, answer, asked, type);
}

AnswerBuilder chain(std::string_view asked = "www.example.com") {
  AnswerBuilder answer(asked, type::a);
  answer.cname(asked, "metrics.example.com")
      .cname("metrics.example.com", "x.tracker.example")
      .a("x.tracker.example", "192.0.2.1");
  return answer;
}

}  // namespace

TEST_CASE("a name that its chain leads to is judged as if it were asked") {
  World world({{"ads", "||tracker.example^\n"}}, policy_of({"ads"}));
  Verdict verdict;
  CHECK(look(world, chain(), "www.example.com", type::a, &verdict) == "block list ads");
  CHECK(verdict.by_chain);
  world.policy.block = {"metrics.example.com"};
  world.use_policy();
  CHECK(look(world, chain(), "www.example.com") == "block peer_block");
  world.policy = Policy();
  world.use_policy();
  CHECK(look(world, chain(), "www.example.com") == "pass");
}

TEST_CASE("an exception for the name asked holds for what it leads to") {
  World world({{"ads", "||tracker.example^\n"},
               {"white", "||example.com^\n", false, true},
               {"self", "||tracker.example^\n@@||example.com^\n"}},
              policy_of({"ads"}));
  CHECK(look(world, chain(), "www.example.com") == "block list ads");
  world.policy.lists = {"ads", "white"};
  world.use_policy();
  CHECK(look(world, chain(), "www.example.com") == "pass");
  world.policy.block = {"tracker.example"};  // that is above exceptions of lists
  world.use_policy();
  CHECK(look(world, chain(), "www.example.com") == "block peer_block");
  world.policy.block = {};
  world.policy.lists = {"self"};  // without trust: from its own rules
  world.use_policy();
  CHECK(look(world, chain(), "www.example.com") == "pass");
  CHECK(look(world, chain("www.example.org"), "www.example.org") == "block list self");
  world.policy.lists = {"ads", "self"};
  world.use_policy();
  CHECK(look(world, chain(), "www.example.com") == "block list ads");
  world.policy.allow = {"www.example.com"};
  world.use_policy();
  CHECK(look(world, chain(), "www.example.com") == "pass");
  world.policy.allow = {"tracker.example"};
  world.use_policy();
  CHECK(look(world, chain(), "www.example.com") == "pass");
}

TEST_CASE("an encrypted resolver under another name is found by its chain") {
  World world;
  world.policy.refuse_bypass = true;
  world.use_policy();
  AnswerBuilder answer("doh.example.com", type::a);
  answer.cname("doh.example.com", "dns.google").a("dns.google", "8.8.8.8");
  CHECK(look(world, answer, "doh.example.com") == "block encrypted_resolver");
}

TEST_CASE("a rewritten target answers for the name asked, if it is rewritten to addresses") {
  World world(
      {{"mine", "||tracker.example^$dnsrewrite=192.0.2.9\n||b.example^$dnsrewrite=c.example\n",
        true}},
      policy_of({"mine"}));
  CHECK(look(world, chain(), "www.example.com") == "rewrite list mine");
  AnswerBuilder other("www.example.com", type::a);
  other.cname("www.example.com", "b.example").a("b.example", "192.0.2.1");
  CHECK(look(world, other, "www.example.com") == "block list mine");
}

TEST_CASE("targets and hints of service bindings are judged") {
  World world({{"ads", "||tracker.example^\n"},
               {"bad", "203.0.113.0/24\n2001:db8:bad::/48\n", false, false,
                ListSettings::Format::addresses}},
              policy_of({"ads", "bad"}));
  const auto of = [&](const Octets& rdata) {
    AnswerBuilder answer("www.example.com", type::https);
    answer.add(0, "www.example.com", type::https, 300, rdata);
    return look(world, answer, "www.example.com", type::https);
  };
  const auto hints = [](std::string_view v4, std::string_view v6) {
    return parameter(4, address("192.0.2.1") + address(v4)) + parameter(6, address(v6));
  };
  CHECK(of(binding(1, ".", hints("192.0.2.2", "2001:db8::1"))) == "pass");
  CHECK(of(binding(0, "cdn.tracker.example", {})) == "block list ads");
  CHECK(of(binding(1, "cdn.tracker.example", {})) == "block list ads");
  CHECK(of(binding(1, ".", hints("203.0.113.7", "2001:db8::1"))) == "block answer_address bad");
  CHECK(of(binding(1, ".", hints("192.0.2.2", "2001:db8:bad::1"))) == "block answer_address bad");
  CHECK(of(binding(1, ".", hints("10.0.0.1", "2001:db8::1"))) == "block rebinding");
  CHECK(of(binding(1, ".", hints("192.0.2.2", "fe80::1"))) == "block rebinding");
}

TEST_CASE("address lists hold for who has them; a trusted exception takes them back") {
  const ListText bad{"bad", "203.0.113.0/24\n", false, false, ListSettings::Format::addresses};
  const ListText good{"good", "203.0.113.7\n", false, true, ListSettings::Format::addresses};
  World world({bad, good}, policy_of({"bad"}));
  CHECK(look_at(world, "203.0.113.7") == "block answer_address bad");
  CHECK(look_at(world, "192.0.2.1") == "pass");
  world.policy.lists = {"bad", "good"};
  world.use_policy();
  CHECK(look_at(world, "203.0.113.7") == "pass");
  CHECK(look_at(world, "203.0.113.8") == "block answer_address bad");
  world.policy.lists = {};
  world.use_policy();
  CHECK(look_at(world, "203.0.113.8") == "pass");
  world.policy.lists = {"bad"};
  world.policy.allow = {"a.example"};
  world.use_policy();
  CHECK(look_at(world, "203.0.113.8") == "pass");
}

TEST_CASE("no public name leads to a private address") {
  World world;
  for (const char* each :
       {"10.1.2.3", "127.0.0.1", "192.168.0.1", "172.31.255.255", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "::", "::1", "fe80::1", "fd00::1", "fec0::1", "::ffff:10.0.0.1",
        "64:ff9b::192.168.1.1", "64:ff9b:1::1", "2002:0a00:0001::1", "::127.0.0.1"})
    CHECK(look_at(world, each) == "block rebinding");
  for (const char* each : {"192.0.2.1", "11.0.0.1", "172.32.0.1", "100.128.0.1", "2001:db8::1",
                           "::ffff:192.0.2.1", "64:ff9b::192.0.2.1", "2002:c000:0201::1"})
    CHECK(look_at(world, each) == "pass");
  CHECK_FALSE(is_private(base::IpAddress()));
}

TEST_CASE("a route, a record or the policy says that a name may have a private address") {
  World world;
  world.settings.routes = {{"corp.example", {"10.0.0.1"}}};
  world.settings.records = {{"=nas.example", "A", "10.0.0.2", std::chrono::seconds(60)}};
  world.settings.records = {{"nas.example", "A", "10.0.0.2", std::chrono::seconds(60)},
                            {"*.wild.example", "A", "10.0.0.3", std::chrono::seconds(60)}};
  world.filter->set_settings(world.settings);
  for (const char* each : {"corp.example", "mail.corp.example", "nas.example", "x.wild.example",
                           "laptop.culvert.internal", "printer.home.arpa", "nas.lan"})
    CHECK(look_at(world, "10.0.0.5", each) == "pass");
  for (const char* each : {"notcorp.example", "x.nas.example", "example"})
    CHECK(look_at(world, "10.0.0.5", each) == "block rebinding");
  world.controls.dns_paused_until.set(2'000'000);
  CHECK(look_at(world, "10.0.0.5") == "block rebinding");
  world.policy.allow = {"a.example"};
  world.use_policy();
  CHECK(look_at(world, "10.0.0.5") == "pass");
  world.policy.allow = {};
  world.policy.rebinding_protection = false;
  world.use_policy();
  CHECK(look_at(world, "10.0.0.5") == "pass");
}

TEST_CASE("what is asked elsewhere by a rule may have a private address, an exception may not") {
  World world(
      {{"hosts", "server=/corp.example/10.0.0.1\n", true, false, ListSettings::Format::dnsmasq},
       {"white", "||good.example^\n", false, true}},
      policy_of({"hosts", "white"}));
  CHECK(look_at(world, "10.0.0.5", "mail.corp.example") == "pass");
  CHECK(look_at(world, "10.0.0.5", "good.example") == "block rebinding");
}
