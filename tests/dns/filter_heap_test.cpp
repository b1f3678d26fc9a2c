// Between a question and its verdict no heap is used once the policy is compiled. The counting
// operator new holds for the whole test binary.
#include "dns/inspection.hpp"
#include "tests/dns/filter_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/counted_heap.hpp"

using namespace culvert;
using namespace culvert::dns;
using namespace culvert::dns::test;

TEST_CASE("a verdict uses no heap once the policy is compiled and the patterns are known") {
  World world(
      {{"ads", "||ads.example^\n||rewritten.example^$dnsrewrite=192.0.2.1\n/^track/\n", true}},
      policy_of({"ads"}));
  world.policy.allow = {"good.example"};
  world.policy.block = {"=bad.example"};
  world.policy.safe_search = true;
  world.use_policy();
  const Name names[] = {name("www.ads.example"),
                        name("rewritten.example"),
                        name("track.example"),
                        name("good.example"),
                        name("bad.example"),
                        name("www.google.com"),
                        name("dns.google"),
                        name("use-application-dns.net"),
                        name("a.b.c.d.e.other.example")};
  AnswerBuilder answer("www.example.com", type::a);
  answer.cname("www.example.com", "x.ads.example").a("x.ads.example", "192.0.2.1");
  const Octets bytes = answer.bytes();
  const Name asked = name("www.example.com");
  Octets buffer(1024);
  CleanAnswer clean;
  const auto all = [&] {
    unsigned blocked = 0;
    for (const Name& each : names)
      blocked += world.filter->of_question(*world.client, each, type::a, world.now).is_block();
    clean_answer(bytes, {asked, type::a}, buffer, clean);
    const Verdict verdict = world.filter->of_question(*world.client, asked, type::a, world.now);
    blocked +=
        inspect(*world.filter, *world.client, asked, type::a, verdict, clean.message, world.now)
            .is_block();
    return blocked;
  };
  CHECK(all() == 6);
  const std::size_t before = culvert::test::heap_allocations();
  const unsigned blocked = all();
  CHECK(culvert::test::heap_allocations() == before);
  CHECK(blocked == 6);
}
