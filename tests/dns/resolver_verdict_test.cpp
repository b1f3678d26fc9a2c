// Verdicts on questions and on answers, rewrites, local names; what is written down and handed out.
#include "tests/dns/resolver_bed.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
namespace type = dns::type;
namespace rcode = dns::rcode;
using How = dns::QueryRecord::How;

namespace {

dns::Policy blocking(std::vector<std::string> names) {
  dns::Policy policy;
  policy.block = std::move(names);
  return policy;
}

std::vector<dns::QueryRecord> records_of(Bed& bed) {
  std::vector<dns::QueryRecord> all;
  for (dns::QueryRecord record; bed.ring->pop(record);) all.push_back(record);
  return all;
}

}  // namespace

TEST_CASE("a blocked name is answered as the policy says and never asked upstream") {
  Bed bed({}, blocking({"ads.example"}));
  bed.ask("x.ads.example");
  const Answer answer = bed.take();
  REQUIRE(answer.records.size() == 1);
  CHECK(answer.lines[0] == "x.ads.example A 10 0.0.0.0");
  CHECK(answer.error == dns::ede::filtered);
  CHECK(bed.upstream.count == 0);
  CHECK(bed.counters->blocked.get() == 1);
  CHECK(bed.peers[0].dns_blocked.get() == 1);
  CHECK(bed.peers[0].dns_queries.get() == 1);
}

TEST_CASE("a drop is silent") {
  dns::Policy policy = blocking({"ads.example"});
  policy.answer = dns::AnswerMode::drop;
  Bed bed({}, policy);
  bed.ask("ads.example");
  CHECK(bed.got.empty());
}

TEST_CASE("what one client learned is judged anew for another") {
  Bed bed;
  bed.learn("track.example", {address("track.example", "93.184.216.34")});
  dns::Client& strict = bed.add(blocking({"track.example"}));
  bed.resolver->ask(strict, Bed::asker(), query("track.example", type::a));
  CHECK(bed.take().lines == Lines{"track.example A 10 0.0.0.0"});
  bed.ask("track.example");
  CHECK(bed.take().lines == Lines{"track.example A 300 93.184.216.34"});
}

TEST_CASE("an answer that leads to a blocked name is blocked, from the cache as well") {
  Bed bed;
  const std::vector<Said> cloaked = {cname("www.shop.example", "tracker.example"),
                                     address("tracker.example", "93.184.216.34")};
  bed.learn("www.shop.example", cloaked);
  dns::Client& strict = bed.add(blocking({"tracker.example"}));
  for (int i = 0; i < 2; ++i) {
    bed.resolver->ask(strict, Bed::asker(), query("www.shop.example", type::a));
    CHECK(bed.take().lines == Lines{"www.shop.example A 10 0.0.0.0"});
  }
  CHECK(bed.counters->blocked_by_answer.get() == 2);
  CHECK(bed.upstream.count == 1);
  bed.ask("www.shop.example");
  CHECK(bed.take().lines.size() == 2);
}

TEST_CASE("a change of the policy holds for what is cached and for what is under way") {
  Bed bed({}, blocking({"a.example"}));
  bed.ask("a.example");
  CHECK(bed.take().lines == Lines{"a.example A 10 0.0.0.0"});
  const auto policy_is = [&](dns::Policy policy) {
    dns::ClientConfig config = bed.client->config;
    config.policy = std::make_shared<const dns::Policy>(std::move(policy));
    bed.resolver->update_client(*bed.client, config);
  };
  policy_is({});
  bed.ask("a.example");
  policy_is(blocking({"a.example"}));
  bed.upstream.answer({address("a.example", "93.184.216.34")});
  CHECK(bed.take().lines == Lines{"a.example A 10 0.0.0.0"});
  policy_is({});
  bed.ask("a.example");
  CHECK(bed.take().lines == Lines{"a.example A 300 93.184.216.34"});
  CHECK(bed.upstream.count == 1);
}

TEST_CASE("a private address for a public name is blocked, behind a route it is not") {
  dns::Settings settings;
  settings.routes = {{"corp.example", {"10.0.0.53"}}, {".", {"10.0.0.54"}}};
  Bed bed(settings);
  CHECK(bed.learn("evil.example", {address("evil.example", "192.168.1.1")}).lines !=
        Lines{"evil.example A 300 192.168.1.1"});
  CHECK(bed.learn("nas.corp.example", {address("nas.corp.example", "192.168.1.1")}).lines ==
        Lines{"nas.corp.example A 300 192.168.1.1"});
}

TEST_CASE("in a schedule's hours its names are blocked, in a pause nothing is") {
  base::PeerControls controls;
  dns::Policy policy = blocking({"always.example"});
  dns::Schedule evening;
  evening.block = {"games.example"};
  policy.schedules = {evening};
  Bed bed;
  bed.client = &bed.add(policy, &controls);
  const auto blocked = [&](const char* name) {
    bed.ask(name);
    if (!bed.upstream.open.empty()) bed.upstream.answer({address(name, "93.184.216.34")});
    return bed.take().lines.at(0).ends_with("0.0.0.0");
  };
  CHECK_FALSE(blocked("games.example"));
  controls.dns_schedules.set(1);
  CHECK(blocked("games.example"));
  CHECK(blocked("always.example"));
  controls.dns_paused_until.set(std::uint64_t(bed.wall.time_since_epoch() / 1s) + 60);
  CHECK_FALSE(blocked("games.example"));
  CHECK_FALSE(blocked("always.example"));
  bed.pass(61s);
  CHECK(blocked("games.example"));
  controls.dns_schedules.set(0);
  CHECK_FALSE(blocked("games.example"));
  CHECK(blocked("always.example"));
}

// One question a minute for each of two names, the upstream says TTL 300, a schedule holds from the
// eighth to the tenth hour and the peer is paused for half of the ninth.
TEST_CASE("24 hours of cache and schedules") {
  base::PeerControls controls;
  dns::Policy policy;
  dns::Schedule school;
  school.block = {"games.example"};
  policy.schedules = {school};
  Bed bed;
  bed.client = &bed.add(policy, &controls);
  int wrong = 0, blocked = 0;
  for (int minute = 0; minute < 24 * 60; ++minute) {
    const bool hours = minute >= 8 * 60 && minute < 10 * 60;
    const bool paused = minute >= 9 * 60 && minute < 9 * 60 + 30;
    controls.dns_schedules.set(hours ? 1 : 0);
    if (minute == 9 * 60)
      controls.dns_paused_until.set(std::uint64_t(bed.wall.time_since_epoch() / 1s) + 1800);
    for (const char* name : {"games.example", "work.example"}) {
      bed.ask(name);
      while (!bed.upstream.open.empty()) bed.upstream.answer({address(name, "93.184.216.34", 300)});
      const Answer answer = bed.take();
      const bool is_blocked = answer.lines.at(0).ends_with(" 0.0.0.0");
      blocked += is_blocked;
      wrong += is_blocked != (hours && !paused && std::string(name) == "games.example");
      wrong += !is_blocked && answer.records[0].ttl > 300;
    }
    bed.pass(1min);
  }
  CHECK(wrong == 0);
  CHECK(blocked == 90);
  // Once in five minutes, however often it is asked.
  CHECK(bed.upstream.count <= 2 * 24 * 12);
  CHECK(bed.upstream.count >= 24 * 12 + 22 * 12);
}

TEST_CASE("safe search is a CNAME with the records of where it leads") {
  dns::Policy policy;
  policy.safe_search = true;
  Bed bed({}, policy);
  bed.ask("www.google.com");
  REQUIRE(bed.upstream.open.size() == 1);
  const std::string target = bed.upstream.open[0].name.to_string();
  CHECK(target == "forcesafesearch.google.com");
  bed.upstream.answer({address(target, "216.239.38.120")});
  for (int i = 0; i < 2; ++i) {
    const Answer answer = bed.take();
    REQUIRE(answer.lines.size() == 2);
    CHECK(answer.lines[0].starts_with("www.google.com CNAME"));
    CHECK(answer.lines[1].starts_with(target + " A"));
    if (i == 0) bed.ask("www.google.com");
  }
  CHECK(bed.upstream.count == 1);
  CHECK(bed.counters->rewritten.get() == 2);
}

TEST_CASE("behind a rewrite, too, what the client is not to have is taken out of bindings") {
  dns::Policy policy;
  policy.safe_search = true;
  policy.ech = dns::EchPolicy::strip;
  Bed bed({}, policy);
  bed.ask("www.google.com", type::https);
  REQUIRE(bed.upstream.open.size() == 1);
  const std::string target = bed.upstream.open[0].name.to_string();
  Said binding{target, type::https, 300, {}};
  for (const int octet : {0, 1, 0, 0, 3, 0, 2, 1, 187, 0, 5, 0, 4, 1, 2, 3, 4})
    binding.rdata.push_back(std::byte(octet));
  bed.upstream.answer({binding});
  const Answer answer = bed.take();
  REQUIRE(answer.records.size() == 2);
  CHECK(answer.records[1].rdata.size() == binding.rdata.size() - 8);
}

TEST_CASE("local names are answered at once, a CNAME that leads outside is followed") {
  dns::Settings settings;
  settings.records = {{"nas.home.example", "A", "192.168.1.5", 60s},
                      {"alias.home.example", "CNAME", "www.example.com", 60s}};
  Bed bed(settings);
  bed.ask("nas.home.example");
  CHECK(bed.take().lines == Lines{"nas.home.example A 60 192.168.1.5"});
  bed.ask("alias.home.example");
  REQUIRE(bed.upstream.open.size() == 1);
  CHECK(bed.upstream.open[0].name == name_of("www.example.com"));
  bed.upstream.answer({address("www.example.com", "93.184.216.34")});
  CHECK(bed.take().lines == Lines{"alias.home.example CNAME 60 www.example.com",
                                  "www.example.com A 300 93.184.216.34"});
  CHECK(bed.counters->local.get() == 1);
}

TEST_CASE("a peer has a name while it is there") {
  Bed bed;
  bed.resolver->set_peer_name("Laptop", {base::IpAddress::parse("10.9.0.7").value()});
  bed.ask("laptop.culvert.internal");
  CHECK(bed.take().lines.at(0).ends_with(" 10.9.0.7"));
  bed.resolver->remove_peer_name("Laptop");
  bed.ask("laptop.culvert.internal");
  CHECK(bed.take().rcode == rcode::nxdomain);
  CHECK(bed.upstream.count == 0);
}

TEST_CASE("what is written down of a question is what the policy allows") {
  const auto written = [](dns::LogPrivacy privacy) {
    dns::Policy policy = blocking({"ads.example"});
    policy.log = privacy;
    Bed bed({}, policy);
    bed.learn("a.example", {address("a.example", "93.184.216.34")});
    bed.ask("a.example");
    bed.ask("ads.example");
    std::string hows;
    for (const dns::QueryRecord& record : records_of(bed))
      hows += std::string(dns::to_string(record.how)) + " ";
    return hows + std::to_string(bed.counters->blocked.get()) + " of " +
           std::to_string(bed.peers[0].dns_queries.get());
  };
  CHECK(written(dns::LogPrivacy::off) == "0 of 0");
  CHECK(written(dns::LogPrivacy::counts) == "1 of 3");
  CHECK(written(dns::LogPrivacy::blocked) == "blocked 1 of 3");
  CHECK(written(dns::LogPrivacy::full) == "forwarded cached blocked 1 of 3");
}

TEST_CASE("a record says who asked what, how it was answered and with which address") {
  dns::Policy policy;
  policy.log = dns::LogPrivacy::full;
  Bed bed({}, policy);
  bed.ask("a.example");
  bed.pass(20ms);
  bed.upstream.answer({address("a.example", "93.184.216.34")});
  const auto records = records_of(bed);
  REQUIRE(records.size() == 1);
  CHECK(records[0].peer == 1);
  CHECK(records[0].took == 20000);
  CHECK(records[0].how == How::forwarded);
  CHECK(records[0].address.to_string() == "93.184.216.34");
  CHECK(records[0].name_size == name_of("a.example").size());
}

TEST_CASE("addresses handed out are known by the name that was asked, for ten minutes at least") {
  dns::Policy policy;
  policy.log = dns::LogPrivacy::full;
  Bed bed({}, policy);
  bed.learn("www.example",
            {cname("www.example", "cdn.example", 60), address("cdn.example", "93.184.216.34", 60)});
  const auto known = [&](const char* text) {
    return bed.resolver->handed_out(*bed.client, base::IpAddress::parse(text).value());
  };
  REQUIRE(known("93.184.216.34"));
  REQUIRE(known("93.184.216.34")->name != nullptr);
  CHECK(known("93.184.216.34")->name->to_string() == "www.example");
  CHECK_FALSE(known("93.184.216.35"));
  bed.pass(599s);
  CHECK(known("93.184.216.34"));
  bed.pass(2s);
  CHECK_FALSE(known("93.184.216.34"));
}

TEST_CASE("a policy that needs it without names keeps addresses without names") {
  dns::Policy policy;
  policy.only_handed_out = true;
  Bed bed({}, policy);
  bed.learn("www.example", {address("www.example", "93.184.216.34", 60)});
  const auto known =
      bed.resolver->handed_out(*bed.client, base::IpAddress::parse("93.184.216.34").value());
  REQUIRE(known);
  CHECK(known->name == nullptr);
  Bed without;
  without.learn("www.example", {address("www.example", "93.184.216.34", 60)});
  CHECK_FALSE(without.resolver->handed_out(*without.client,
                                           base::IpAddress::parse("93.184.216.34").value()));
}
