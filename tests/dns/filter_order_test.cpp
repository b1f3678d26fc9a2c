// The order in which a name's judges are asked, as a matrix: every combination of those that could
// speak, and the one that has to decide.
#include "tests/dns/filter_support.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::dns;
using namespace culvert::dns::test;

namespace {

enum Judge : unsigned {
  peer_allow,
  peer_block,
  schedule_name,
  everything,
  important_allow,
  important_block,
  allow,
  block,
  pattern,
  judges
};
constexpr const char* expected[] = {"pass peer_allow", "block peer_block", "block schedule",
                                    "block schedule",  "pass list rules",  "block list rules",
                                    "pass list rules", "block list rules", "block list rules"};

std::string list_of(unsigned who) {
  std::string text = "||unrelated.example^\n";
  if (who & 1u << important_allow) text += "@@||www.example.com^$important\n";
  if (who & 1u << important_block) text += "||example.com^$important\n";
  if (who & 1u << allow) text += "@@||example.com^\n";
  if (who & 1u << block) text += "||www.example.com^\n";
  if (who & 1u << pattern) text += "/^www\\.[a-z]+\\.com$/\n";
  return text;
}

Policy policy_for(unsigned who) {
  Policy policy = policy_of({"rules"});
  if (who & 1u << peer_allow) policy.allow = {"example.com"};
  if (who & 1u << peer_block) policy.block = {"www.example.com"};
  Schedule named, all;
  if (who & 1u << schedule_name) named.block = {"example.com"};
  all.everything = true;
  policy.schedules = {named, all};
  return policy;
}

}  // namespace

TEST_CASE("of all that could speak of a name the first in the order decides") {
  constexpr unsigned of_list = 1u << important_allow;
  for (unsigned lists = 0; lists < 1u << judges; lists += of_list) {
    World world;
    world.use({{"rules", list_of(lists), true}});
    for (unsigned others = 0; others < of_list; ++others) {
      const unsigned who = lists | others;
      world.policy = policy_for(who);
      world.use_policy();
      world.controls.dns_schedules.set(who & 1u << everything ? 3 : 1);
      const char* wanted = "pass";
      for (unsigned judge = judges; judge-- > 0;)
        if (who & 1u << judge) wanted = expected[judge];
      INFO("judges " << who);
      CHECK(world.say("www.example.com") == wanted);
      CHECK(world.say("www.example.org") == (who & 1u << everything ? "block schedule" : "pass"));
    }
  }
}

TEST_CASE("a policy's names reach what is below them, or with = themselves alone") {
  World world;
  world.policy.block = {"example.com", "=exact.example"};
  world.policy.allow = {"=www.example.com", "good.example.com"};
  world.use_policy();
  CHECK(world.say("example.com") == "block peer_block");
  CHECK(world.say("a.b.example.com") == "block peer_block");
  CHECK(world.say("notexample.com") == "pass");
  CHECK(world.say("com") == "pass");
  CHECK(world.say("exact.example") == "block peer_block");
  CHECK(world.say("www.exact.example") == "pass");
  CHECK(world.say("www.example.com") == "pass peer_allow");
  CHECK(world.say("a.www.example.com") == "block peer_block");
  CHECK(world.say("a.good.example.com") == "pass peer_allow");
  CHECK(world.ask("a.b.example.com").labels == 2);
  CHECK(world.ask("a.good.example.com").labels == 3);
}

TEST_CASE("a list counts for those whose policy has it") {
  World world;
  world.use({{"ads", "||ads.example^\n"}, {"games", "||games.example^\n"}});
  CHECK(world.say("ads.example") == "pass");
  world.policy.lists = {"games", "unknown"};
  world.use_policy();
  CHECK(world.say("ads.example") == "pass");
  CHECK(world.say("www.games.example") == "block list games");
  const Verdict verdict = world.ask("www.games.example");
  CHECK(verdict.labels == 2);
  CHECK(verdict.action == RuleAction::block);
}

TEST_CASE("an exception of a list without trust reaches its own rules only") {
  const std::string blocks = "||a.example^\n||b.example^\n";
  const std::string own = "||a.example^\n@@||a.example^\n@@||b.example^\n";
  World both({{"blocks", blocks}, {"own", own}}, policy_of({"blocks", "own"}));
  CHECK(both.say("a.example") == "block list blocks");
  CHECK(both.say("b.example") == "block list blocks");
  World alone({{"blocks", blocks}, {"own", own}}, policy_of({"own"}));
  CHECK(alone.say("a.example") == "pass");
  World trusted({{"blocks", blocks}, {"own", own, true}}, policy_of({"blocks", "own"}));
  CHECK(trusted.say("a.example") == "pass list own");
  World allowing({{"blocks", blocks}, {"white", "||a.example^\n", false, true}},
                 policy_of({"blocks", "white"}));
  CHECK(allowing.say("www.a.example") == "pass list white");
  CHECK(allowing.say("b.example") == "block list blocks");
}

TEST_CASE("important rules count of trusted lists only") {
  const std::vector<ListText> lists = {{"trusted", "@@||a.example^\n", true},
                                       {"feed", "||a.example^$important\n"}};
  CHECK(World(lists, policy_of({"trusted", "feed"})).say("a.example") == "pass list trusted");
  const std::vector<ListText> both = {{"trusted", "@@||a.example^\n", true},
                                      {"second", "||a.example^$important\n", true}};
  World world(both, policy_of({"trusted", "second"}));
  CHECK(world.say("a.example") == "block list second");
  CHECK(world.ask("a.example").important);
}

TEST_CASE("a pause lets all names pass, but for the canaries") {
  World world({{"ads", "||ads.example^\n"}}, policy_of({"ads"}));
  world.policy.block = {"blocked.example"};
  world.policy.safe_search = true;
  world.use_policy();
  world.controls.dns_paused_until.set(1'000'001);
  for (const char* each : {"ads.example", "blocked.example", "www.google.com", "dns.google"})
    CHECK(world.say(each) == "pass");
  CHECK(world.say("use-application-dns.net") == "block canary");
  world.now = wall_at(1'000'001);
  CHECK(world.say("ads.example") == "block list ads");
  CHECK(world.say("blocked.example") == "block peer_block");
  CHECK(world.say("www.google.com") == "rewrite safe_search");
}

TEST_CASE("a schedule adds its lists and names in its hours") {
  World world({{"ads", "||ads.example^\n"}, {"games", "||games.example^\n"}}, policy_of({"ads"}));
  Schedule evening, night;
  evening.lists = {"games"};
  evening.block = {"video.example"};
  night.everything = true;
  world.policy.schedules = {evening, night};
  world.policy.allow = {"school.example"};
  world.use_policy();
  CHECK(world.say("games.example") == "pass");
  CHECK(world.say("www.video.example") == "pass");
  world.controls.dns_schedules.set(1);
  CHECK(world.say("games.example") == "block list games");
  CHECK(world.say("www.video.example") == "block schedule");
  CHECK(world.ask("www.video.example").labels == 2);
  CHECK(world.say("news.example") == "pass");
  world.controls.dns_schedules.set(2);
  CHECK(world.say("games.example") == "block schedule");
  CHECK(world.say("news.example") == "block schedule");
  CHECK(world.say("www.school.example") == "pass peer_allow");
  world.controls.dns_schedules.set(~0ull << 2);
  CHECK(world.say("news.example") == "pass");
}
