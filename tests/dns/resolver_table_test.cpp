// The resolver with a table of rules: blocks of lists, rewrites, forwards, and its change.
#include "tests/dns/resolver_table_bed.hpp"

using namespace culvert;
using namespace culvert::test;
namespace type = dns::type;
namespace rcode = dns::rcode;
using Format = dns::ListSettings::Format;

TEST_CASE("a name of a list is blocked and the answer names the list") {
  TableBed made({{"ads", Format::adblock, "||ads.example^\n"}});
  Bed& bed = *made.bed;
  bed.ask("x.ads.example");
  const Answer answer = bed.take();
  CHECK(answer.lines == Lines{"x.ads.example A 10 0.0.0.0"});
  CHECK(answer.error == dns::ede::blocked);
  const std::string bytes(reinterpret_cast<const char*>(answer.bytes.data()), answer.bytes.size());
  CHECK(bytes.find("\"ads\"") != std::string::npos);
  CHECK(bed.counters->table_rules.get() == 1);
}

TEST_CASE("a new table holds for what is cached and for what is under way, nothing is lost") {
  TableBed made({{"ads", Format::domains, "ads.example\n"}});
  Bed& bed = *made.bed;
  bed.learn("a.example", {address("a.example", "93.184.216.34")});
  bed.ask("b.example");
  bed.resolver->set_table(compile({{"ads", Format::domains, "a.example\nb.example\n"}}));
  bed.ask("a.example");
  CHECK(bed.take().lines == Lines{"a.example A 10 0.0.0.0"});
  bed.upstream.answer({address("b.example", "93.184.216.34")});
  CHECK(bed.take().lines == Lines{"b.example A 10 0.0.0.0"});
  bed.resolver->set_table(nullptr);
  for (const char* name : {"a.example", "b.example"}) {
    bed.ask(name);
    CHECK(bed.take().lines == Lines{std::string(name) + " A 300 93.184.216.34"});
  }
  CHECK(bed.upstream.count == 2);
}

TEST_CASE("a rewrite to a name is followed, by the route of that name") {
  TableBed made({{"mine", Format::adblock, "||old.example^$dnsrewrite=new.example\n"}});
  Bed& bed = *made.bed;
  bed.ask("old.example");
  REQUIRE(bed.upstream.open.size() == 1);
  CHECK(bed.upstream.open[0].name == name_of("new.example"));
  bed.upstream.answer(
      {cname("new.example", "cdn.example"), address("cdn.example", "93.184.216.34")});
  const Answer answer = bed.take();
  REQUIRE(answer.lines.size() == 3);
  CHECK(answer.lines[0].starts_with("old.example CNAME"));
  CHECK(answer.lines[2] == "cdn.example A 300 93.184.216.34");
  CHECK(answer.valid);
  bed.ask("new.example");  // the same answer, now by its own name
  CHECK(bed.take().lines.size() == 2);
  CHECK(bed.upstream.count == 1);
}

TEST_CASE("a forward of a rule goes to its upstream, and private addresses pass there") {
  TableBed made({{"lan", Format::dnsmasq, "server=/lan.example/10.0.0.1\n"}});
  Bed& bed = *made.bed;
  bed.ask("nas.lan.example");
  REQUIRE(bed.upstream.open.size() == 1);
  CHECK(bed.upstream.sets[bed.upstream.open[0].set] == std::vector<std::string>{"10.0.0.1"});
  bed.upstream.answer({address("nas.lan.example", "192.168.1.5")});
  CHECK(bed.take().lines == Lines{"nas.lan.example A 300 192.168.1.5"});
}

TEST_CASE("tcp-only is TC over UDP and an answer over TCP") {
  TableBed made({{"zone", Format::rpz, "$TTL 60\nslow.example CNAME rpz-tcp-only.\n"}});
  Bed& bed = *made.bed;
  bed.ask("slow.example");
  const Answer cut = bed.take();
  CHECK(cut.header.truncated);
  CHECK(cut.records.empty());
  bed.ask(query("slow.example", type::a), true);
  REQUIRE(bed.upstream.open.size() == 1);
  bed.upstream.answer({address("slow.example", "93.184.216.34")});
  CHECK(bed.take().lines == Lines{"slow.example A 300 93.184.216.34"});
}
