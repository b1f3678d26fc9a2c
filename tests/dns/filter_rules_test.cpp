// What complex rules say: modifiers, rewrites, forwards, RPZ; and that changes are seen.
#include "dns/block_answer.hpp"
#include "tests/dns/filter_support.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::dns;
using namespace culvert::dns::test;

namespace {

World world_of(const std::string& text, bool trusted = true,
               ListSettings::Format format = ListSettings::Format::adblock) {
  return World({{"rules", text, trusted, false, format}}, policy_of({"rules"}));
}

constexpr auto blocked = "block list rules";

}  // namespace

TEST_CASE("$dnstype: the types asked") {
  World world = world_of("||a.example^$dnstype=AAAA|HTTPS\n||b.example^$dnstype=~A\n");
  CHECK(world.say("a.example", type::a) == "pass");
  CHECK(world.say("a.example", type::aaaa) == blocked);
  CHECK(world.say("x.a.example", type::https) == blocked);
  CHECK(world.say("b.example", type::a) == "pass");
  CHECK(world.say("b.example", type::mx) == blocked);
}

TEST_CASE("$client: by name, group, address and prefix") {
  World world = world_of(
      "||name.example^$client=laptop\n||group.example^$client=family\n"
      "||other.example^$client=phone\n||v4.example^$client=10.8.0.2\n"
      "||v6.example^$client=fd08::/64\n||net.example^$client=10.9.0.0/16\n"
      "||but.example^$client=~laptop\n||all.example^$client=~phone\n");
  for (const char* each :
       {"name.example", "group.example", "v4.example", "v6.example", "all.example"})
    CHECK(world.say(each) == blocked);
  for (const char* each : {"other.example", "net.example", "but.example"})
    CHECK(world.say(each) == "pass");
}

TEST_CASE("$ctag: the tags of the policy") {
  World world = world_of("||a.example^$ctag=user_child\n||b.example^$ctag=~user_child\n");
  CHECK(world.say("a.example") == "pass");
  CHECK(world.say("b.example") == blocked);
  world.policy.tags = {"device_phone", "user_child"};
  world.use_policy();
  CHECK(world.say("a.example") == blocked);
  CHECK(world.say("b.example") == "pass");
}

TEST_CASE("$denyallow: not these domains, nor what is below them") {
  World world = world_of("||example^$denyallow=good.example\n");
  CHECK(world.say("bad.example") == blocked);
  CHECK(world.say("good.example") == "pass");
  CHECK(world.say("www.good.example") == "pass");
}

TEST_CASE("a pattern speaks for what it fits, also as an exception and with conditions") {
  World world = world_of("/^ads?[0-9]*\\./\n@@/^ads7\\./\n/track/$dnstype=AAAA\n||ban*.example^\n");
  CHECK(world.say("ad.example") == blocked);
  CHECK(world.say("ads12.example.com") == blocked);
  CHECK(world.say("ads7.example.com") == "pass list rules");
  CHECK(world.say("my.tracker.example") == "pass");
  CHECK(world.say("my.tracker.example", type::aaaa) == blocked);
  CHECK(world.say("x.banner.example") == blocked);
  CHECK(world.ask("ad.example").rule != nullptr);
}

TEST_CASE("what patterns say is remembered, and forgotten with the table") {
  World world = world_of("/^ad\\./\n");
  for (int round = 0; round < 3; ++round) CHECK(world.say("ad.example") == blocked);
  for (int i = 0; i < 20'000; ++i) {
    const std::string other = "n" + std::to_string(i) + ".example";
    if (world.say(other) != "pass") FAIL(other);
  }
  CHECK(world.say("ad.example") == blocked);
  world.filter->set_table(make_table({{"rules", "/^other\\./\n", true}}));
  CHECK(world.say("ad.example") == "pass");
  CHECK(world.say("other.example") == blocked);
}

TEST_CASE("a rewrite of a trusted list is made, of another it is not") {
  const std::string text = "||a.example^$dnsrewrite=192.0.2.7\n||b.example^$dnsrewrite=c.example\n";
  World world = world_of(text);
  const Verdict address = world.ask("a.example");
  CHECK(world.words(address) == "rewrite list rules");
  REQUIRE(address.rule);
  CHECK(address.rule->addresses.at(0).to_string() == "192.0.2.7");
  CHECK_FALSE(rewrite_target(address, name("a.example")));
  const Verdict alias = world.ask("b.example");
  CHECK(rewrite_target(alias, name("b.example")) == name("c.example"));
  World other = world_of(text, false);
  CHECK(other.say("a.example") == "pass");
}

TEST_CASE("a domain is asked where a trusted list says, unless it is blocked") {
  World world({{"hosts", "server=/corp.example/10.0.0.1\nserver=/www.corp.example/#\n", true, false,
                ListSettings::Format::dnsmasq},
               {"ads", "||ads.corp.example^\n"}},
              policy_of({"hosts", "ads"}));
  CHECK(world.say("mail.corp.example") == "forward list hosts");
  CHECK(world.ask("mail.corp.example").rule->upstream == "10.0.0.1");
  CHECK(world.say("ads.corp.example") == "block list ads");
  CHECK(world.say("www.corp.example") == "pass list hosts");
}

TEST_CASE("RPZ says how a name is blocked") {
  World world = world_of(
      "$TTL 60\n@ SOA localhost. root.localhost. 1 2 3 4 5\n"
      "nx.example CNAME .\nnodata.example CNAME *.\npass.example CNAME rpz-passthru.\n"
      "drop.example CNAME rpz-drop.\ntcp.example CNAME rpz-tcp-only.\n*.sub.example CNAME .\n",
      true, ListSettings::Format::rpz);
  CHECK(world.ask("nx.example").action == RuleAction::nxdomain);
  CHECK(world.ask("nodata.example").action == RuleAction::nodata);
  CHECK(world.ask("drop.example").action == RuleAction::drop);
  CHECK(world.ask("tcp.example").action == RuleAction::tcp_only);
  CHECK(passes_over_tcp(world.ask("tcp.example")));
  CHECK(world.say("pass.example") == "pass list rules");
  CHECK(world.say("sub.example") == "pass");
  CHECK(world.say("a.sub.example") == blocked);
}

TEST_CASE("the canaries are answered where the policy refuses bypasses, each by its setting") {
  World world;
  CHECK(world.say("use-application-dns.net") == "pass");
  CHECK(world.say("_dns.resolver.arpa", type::svcb) == "block canary");
  CHECK(world.ask("resolver.arpa").action == RuleAction::nodata);
  world.policy.refuse_bypass = true;
  world.use_policy();
  for (const char* each : {"use-application-dns.net", "mask.icloud.com", "mask-h2.icloud.com"})
    CHECK(world.ask(each).action == RuleAction::nxdomain);
  CHECK(world.say("www.use-application-dns.net") == "pass");
  world.settings.canary_apple = false;
  world.settings.canary_ddr = false;
  world.filter->set_settings(world.settings);
  CHECK(world.say("mask.icloud.com") == "pass");
  CHECK(world.say("resolver.arpa") == "pass");
  CHECK(world.say("use-application-dns.net") == "block canary");
  world.settings.canary_firefox = false;
  world.filter->set_settings(world.settings);
  CHECK(world.say("use-application-dns.net") == "pass");
  world.policy.allow = {"use-application-dns.net"};
  world.use_policy();
  CHECK(world.say("use-application-dns.net") == "pass peer_allow");
}

TEST_CASE("names of known encrypted resolvers are blocked where the policy filters") {
  World world;
  CHECK(world.say("dns.google") == "pass");
  world.policy.safe_search = true;
  world.use_policy();
  CHECK(world.say("dns.google") == "block encrypted_resolver");
  world.policy.refuse_bypass = false;
  world.use_policy();
  CHECK(world.say("dns.google") == "pass");
}

TEST_CASE(
    "safe search rewrites the engines' names, of any type; a list's exception does not help") {
  World world({{"white", "||google.com^\n", true, true}}, policy_of({"white"}));
  world.policy.safe_search = true;
  world.use_policy();
  const Verdict verdict = world.ask("www.google.com");
  CHECK(world.words(verdict) == "rewrite safe_search");
  CHECK(rewrite_target(verdict, name("www.google.com")) == name("forcesafesearch.google.com"));
  CHECK(world.say("www.google.com", type::https) == "rewrite safe_search");
  CHECK(world.say("mail.google.com") == "pass list white");
  world.policy.allow = {"www.google.com"};
  world.use_policy();
  CHECK(world.say("www.google.com") == "pass peer_allow");
}

TEST_CASE("types that a client is not to have are left out for names that pass, too") {
  World world;
  world.policy.filter_aaaa = true;
  world.policy.ech = EchPolicy::drop;
  world.policy.allow = {"good.example"};
  world.use_policy();
  for (const char* each : {"a.example", "good.example"}) {
    CHECK(world.say(each, type::aaaa) == "block no_ipv6");
    CHECK(world.say(each, type::https) == "block ech");
    CHECK(world.say(each, type::svcb) == "block ech");
    CHECK(world.ask(each, type::aaaa).action == RuleAction::nodata);
    CHECK(world.ask(each).what == Verdict::What::pass);
  }
}

TEST_CASE("a new table and new settings are seen at the next question") {
  World world({{"ads", "||a.example^\n"}, {"more", "||b.example^\n"}}, policy_of({"ads", "more"}));
  const std::uint64_t before = world.filter->generation();
  CHECK(world.say("b.example") == "block list more");
  // The order of the lists is another: bits are by name.
  world.filter->set_table(make_table({{"more", "||c.example^\n"}, {"ads", "||a.example^\n"}}));
  CHECK(world.filter->generation() > before);
  CHECK(world.say("a.example") == "block list ads");
  CHECK(world.say("b.example") == "pass");
  CHECK(world.say("c.example") == "block list more");
  world.filter->set_table(nullptr);
  CHECK(world.say("a.example") == "pass");
  CHECK(world.filter->table() == nullptr);
}

TEST_CASE("clients with the same policy share what it was compiled to") {
  World world({{"ads", "||a.example^\n"}}, policy_of({"ads"}));
  Client second(world.client->config, world.counters, world.settings.limits, base::Time{});
  world.ask("a.example");
  world.filter->of_question(second, name("a.example"), type::a, world.now);
  CHECK(second.policy == world.client->policy);
  const auto before = second.policy;
  world.filter->set_settings(world.settings);
  world.filter->of_question(second, name("a.example"), type::a, world.now);
  CHECK(second.policy != before);
}

TEST_CASE("explain names every rule that says something, the deciding one first") {
  World world({{"ads", "||example.com^\n||www.example.com^$dnstype=MX\n/example/\n"},
               {"white", "www.example.com\n", true, true}},
              policy_of({"ads", "white"}));
  world.policy.block = {"com"};
  world.policy.allow = {"never.example"};
  world.use_policy();
  auto explained =
      world.filter->explain(*world.client, name("www.example.com"), type::a, world.now);
  CHECK(explained.verdict.reason == Reason::peer_block);
  CHECK(explained.why == "www.example.com is blocked by the policy of the client");
  REQUIRE(explained.heard.size() == 4);
  CHECK(explained.heard[0].list == "policy");
  CHECK(explained.heard[0].domain == "com");
  CHECK(explained.heard[0].decides);
  world.policy.block.clear();
  world.use_policy();
  explained = world.filter->explain(*world.client, name("www.example.com"), type::a, world.now);
  CHECK(explained.why == "www.example.com is allowed by the list \"white\" (www.example.com)");
  REQUIRE(explained.heard.size() == 3);
  CHECK(explained.heard[0].list == "white");
  CHECK(explained.heard[0].says == "allow");
  CHECK(explained.heard[0].decides);
  CHECK(explained.heard[1].domain == "example.com");
  CHECK(explained.heard[1].says == "block");
  CHECK_FALSE(explained.heard[1].decides);
  CHECK(explained.heard[2].says == "block by the pattern /example/");
  explained = world.filter->explain(*world.client, name("other.test"), type::a, world.now);
  CHECK(explained.why == "other.test is not filtered: nothing says anything of it");
  CHECK(explained.heard.empty());
}
