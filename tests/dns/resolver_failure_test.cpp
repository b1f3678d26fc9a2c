// What clients get while upstreams fail, are slow or say nonsense; limits; prefetch.
#include "tests/dns/resolver_bed.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
namespace type = dns::type;
namespace rcode = dns::rcode;
namespace ede = dns::ede;

TEST_CASE("a failure is told with its reason, kept for a moment, and tried again with back-off") {
  Bed bed;
  bed.ask("a.example.com");
  bed.upstream.fail(ede::network_error);
  const Answer failed = bed.take();
  CHECK(failed.rcode == rcode::servfail);
  CHECK(failed.error == ede::network_error);
  bed.ask("a.example.com");  // RFC 9520: not asked again at once
  CHECK(bed.take().rcode == rcode::servfail);
  CHECK(bed.upstream.count == 1);
  bed.pass(1s);
  bed.ask("a.example.com");
  CHECK(bed.upstream.count == 2);
  bed.upstream.fail();
  bed.got.clear();
  bed.pass(1s);
  bed.ask("a.example.com");
  CHECK(bed.upstream.count == 2);  // the second failure holds for two seconds
  bed.pass(1s);
  bed.ask("a.example.com");
  CHECK(bed.upstream.count == 3);
  bed.upstream.answer({address("a.example.com", "93.184.216.34")});
  bed.got.pop_front();
  CHECK(bed.take().records.size() == 1);
}

TEST_CASE("no failure is kept for more than five minutes") {
  Bed bed;
  for (int i = 0; i < 20; ++i) {
    bed.ask("a.example.com");
    REQUIRE(bed.upstream.open.size() == 1);
    bed.upstream.answer({}, rcode::servfail);
    bed.pass(300s);
  }
}

TEST_CASE("an upstream that never answers is given five seconds") {
  Bed bed;
  bed.ask("a.example.com");
  CHECK(bed.resolver->next_deadline() <= bed.now + 5s);
  bed.pass(4999ms);
  CHECK(bed.got.empty());
  bed.pass(1ms);
  const Answer answer = bed.take();
  CHECK(answer.rcode == rcode::servfail);
  CHECK(answer.error == ede::no_reachable_authority);
  CHECK(bed.client->in_flight == 0);
  bed.upstream.answer({address("a.example.com", "93.184.216.34")});  // too late
  CHECK(bed.got.empty());
}

TEST_CASE("a stale answer is given when the upstream is slow, and what comes later is kept") {
  Bed bed;
  bed.learn("a.example.com", {address("a.example.com", "93.184.216.34", 60)});
  bed.pass(100s);
  bed.ask("a.example.com");
  bed.pass(1799ms);
  CHECK(bed.got.empty());
  bed.pass(1ms);
  const Answer stale = bed.take();
  CHECK(stale.lines == Lines{"a.example.com A 30 93.184.216.34"});
  CHECK(stale.error == ede::stale_answer);
  bed.ask("a.example.com");  // it is known to be slow: nobody waits again
  CHECK(bed.take().error == ede::stale_answer);
  CHECK(bed.upstream.count == 1 + 1);
  bed.upstream.answer({address("a.example.com", "93.184.216.35", 60)});
  bed.ask("a.example.com");
  CHECK(bed.take().lines == Lines{"a.example.com A 60 93.184.216.35"});
  CHECK(bed.counters->stale.get() == 2);
}

TEST_CASE("a stale answer is given at once when the upstream fails, and until it is tried again") {
  Bed bed;
  bed.learn("no.example.com", {soa("example.com", 60, 60)}, rcode::nxdomain);
  bed.pass(100s);
  bed.ask("no.example.com");
  bed.upstream.answer({}, rcode::servfail);
  const Answer stale = bed.take();
  CHECK(stale.rcode == rcode::nxdomain);
  CHECK(stale.error == ede::stale_nxdomain);
  bed.ask("no.example.com");
  CHECK(bed.take().rcode == rcode::nxdomain);
  CHECK(bed.upstream.count == 2);
}

TEST_CASE("nothing is given that is more stale than the settings allow") {
  dns::Settings settings;
  settings.cache.max_stale = 3600s;
  Bed bed(settings);
  bed.learn("a.example.com", {address("a.example.com", "93.184.216.34", 60)});
  bed.pass(60s + 3600s);
  bed.ask("a.example.com");
  bed.upstream.fail();
  CHECK(bed.take().rcode == rcode::servfail);
}

TEST_CASE("a popular name is asked for before it expires, and no client waits or pays for it") {
  dns::Settings settings;
  settings.limits.forwarded_burst = 1;
  settings.limits.forwarded_per_second = 1;
  Bed bed(settings);
  bed.learn("a.example.com", {address("a.example.com", "93.184.216.34", 1000)});
  for (int i = 0; i < 3; ++i) bed.ask("a.example.com");
  bed.pass(890s);
  bed.ask("a.example.com");
  CHECK(bed.upstream.count == 1);
  bed.pass(20s);
  bed.ask("a.example.com");
  bed.ask("a.example.com");
  CHECK(bed.upstream.count == 2);
  CHECK(bed.counters->prefetched.get() == 1);
  CHECK(bed.client->in_flight == 0);
  bed.upstream.answer({address("a.example.com", "93.184.216.34", 1000)});
  bed.got.clear();
  bed.ask("a.example.com");
  CHECK(bed.take().lines == Lines{"a.example.com A 1000 93.184.216.34"});
}

TEST_CASE("a name that is asked for rarely is not prefetched") {
  Bed bed;
  bed.learn("a.example.com", {address("a.example.com", "93.184.216.34", 1000)});
  bed.pass(950s);
  bed.ask("a.example.com");
  CHECK(bed.upstream.count == 1);
}

TEST_CASE("a client's rate limits what is forwarded, never what is cached") {
  dns::Settings settings;
  settings.limits.forwarded_per_second = 10;
  settings.limits.forwarded_burst = 2;
  Bed bed(settings);
  bed.learn("a.example.com", {address("a.example.com", "93.184.216.34")});
  bed.learn("b.example.com", {address("b.example.com", "93.184.216.34")});
  bed.ask("c.example.com");
  const Answer refused = bed.take();
  CHECK(refused.rcode == rcode::refused);
  CHECK(refused.error == ede::prohibited);
  CHECK(bed.counters->rate_limited.get() == 1);
  for (int i = 0; i < 100; ++i) bed.ask("a.example.com");
  CHECK(bed.got.size() == 100);
  bed.got.clear();
  bed.pass(100ms);
  bed.ask("c.example.com");
  CHECK(bed.upstream.open.size() == 1);
}

TEST_CASE("questions under way are bounded for a client and for all, other clients go on") {
  dns::Settings settings;
  settings.limits.in_flight = 3;
  settings.limits.in_flight_total = 5;
  Bed bed(settings);
  dns::Client& other = bed.add({});
  for (int i = 0; i < 5; ++i) bed.ask("n" + std::to_string(i) + ".example.com");
  CHECK(bed.upstream.count == 3);
  REQUIRE(bed.got.size() == 2);
  CHECK(bed.take().rcode == rcode::servfail);
  CHECK(bed.counters->in_flight_limited.get() == 2);
  bed.got.clear();
  for (int i = 0; i < 5; ++i)
    bed.resolver->ask(other, Bed::asker(),
                      query("m" + std::to_string(i) + ".example.com", type::a));
  CHECK(bed.upstream.count == 5);
  CHECK(bed.got.size() == 3);
}

TEST_CASE("nonsense from an upstream is a failure, not an answer") {
  Bed bed;
  const auto fails = [&](const std::vector<std::byte>& message) {
    bed.pass(600s);
    bed.ask("a.example.com");
    bed.upstream.answer_bytes(message);
    return bed.take().rcode == rcode::servfail;
  };
  const dns::Name name = name_of("a.example.com");
  auto good = upstream_answer(name, type::a, {address("a.example.com", "93.184.216.34", 1)});
  auto cut = good;
  cut.resize(cut.size() - 3);
  CHECK(fails(cut));
  CHECK(fails(upstream_answer(name_of("b.example.com"), type::a, {})));
  CHECK(fails(upstream_answer(
      name, type::a,
      {cname("a.example.com", "b.example.com"), cname("b.example.com", "a.example.com")})));
  CHECK_FALSE(fails(good));
}

TEST_CASE("records that do not belong to the question are neither told nor kept") {
  Bed bed;
  Said extra = address("bank.example.net", "93.184.216.99");
  const Answer answer = bed.learn("a.example.com", {cname("a.example.com", "b.example.com"), extra,
                                                    address("b.example.com", "93.184.216.34")});
  CHECK(answer.lines ==
        Lines{"a.example.com CNAME 300 b.example.com", "b.example.com A 300 93.184.216.34"});
}
