// What is known is answered without the heap.
#include "tests/dns/resolver_bed.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/counted_heap.hpp"

using namespace culvert;
using namespace culvert::test;
namespace type = dns::type;

TEST_CASE("cached, blocked and local answers use no heap") {
  dns::Settings settings;
  settings.records = {{"nas.home.example", "A", "192.168.1.5", 60s}};
  dns::Policy policy;
  policy.block = {"ads.example"};
  policy.log = dns::LogPrivacy::full;
  Bed bed(settings, policy);
  bed.learn("www.example.com",
            {cname("www.example.com", "a.example.net"), address("a.example.net", "93.184.216.34")});
  bed.only_count = true;
  for (const char* name : {"www.example.com", "x.ads.example", "nas.home.example"}) {
    const auto asked = query(name, type::a);
    bed.ask(asked);  // warm-up
    const std::size_t allocated = culvert::test::heap_allocations(), answered = bed.answered;
    for (int i = 0; i < 10; ++i) bed.ask(asked);
    CHECK(bed.answered - answered == 10);
    CHECK(culvert::test::heap_allocations() - allocated == 0);
  }
  CHECK(bed.upstream.count == 1);
}
