// What records and rewrites lead to is judged for the client that asked.
#include "tests/dns/resolver_table_bed.hpp"

using namespace culvert;
using namespace culvert::test;
namespace type = dns::type;
namespace rcode = dns::rcode;
using Format = dns::ListSettings::Format;

namespace {

dns::Settings with_alias(const std::string& target = "www.shop.example") {
  dns::Settings settings;
  settings.records = {{"alias.home.example", "CNAME", target, 60s}};
  return settings;
}

dns::Policy blocking(std::vector<std::string> names) {
  dns::Policy policy;
  policy.block = std::move(names);
  return policy;
}

const Lines blocked{"alias.home.example A 10 0.0.0.0"};

// What alias.home.example comes to where its target has these records.
Lines led(Bed& bed, const std::vector<Said>& records) {
  bed.ask("alias.home.example");
  if (!bed.upstream.open.empty()) bed.upstream.answer(records);
  return bed.take().lines;
}

const std::vector<Said> cloaked{cname("www.shop.example", "x.tracker.example"),
                                address("x.tracker.example", "93.184.216.34")};

}  // namespace

TEST_CASE("what an alias of ours leads to is judged like the answer to a question for it") {
  Bed chain(with_alias(), blocking({"tracker.example"}));
  for (int i = 0; i < 2; ++i) CHECK(led(chain, cloaked) == blocked);
  CHECK(chain.upstream.count == 1);
  CHECK(chain.counters->blocked_by_answer.get() == 2);
  Bed target(with_alias(), blocking({"shop.example"}));
  CHECK(led(target, cloaked) == blocked);
  CHECK(target.upstream.count == 0);
  Bed alias(with_alias(), blocking({"home.example"}));  // a record of ours is above that
  CHECK(led(alias, cloaked).size() == 3);
}

TEST_CASE("behind an alias no public name has a private address, but by a route") {
  const std::vector<Said> inside{address("www.shop.example", "192.168.1.1")};
  Bed bed(with_alias());
  CHECK(led(bed, inside) == blocked);
  dns::Settings routed = with_alias();
  routed.routes = {{"shop.example", {"10.0.0.53"}}};
  Bed by_route(routed);
  CHECK(led(by_route, inside).size() == 2);
}

TEST_CASE("what is allowed by the alias's name or by its target's passes") {
  for (const char* name : {"alias.home.example", "www.shop.example"}) {
    dns::Policy policy = blocking({"tracker.example", "shop.example"});
    policy.allow = {name};
    Bed bed(with_alias(), policy);
    CHECK(led(bed, cloaked).size() == 3);
  }
}

TEST_CASE("lists say of an alias's target what they say of it; exceptions for the alias hold") {
  const List ads{"ads", Format::adblock, "||tracker.example^\n||tv.example^\n"};
  TableBed chain({ads}, with_alias());
  CHECK(led(*chain.bed, cloaked) == blocked);
  TableBed target({ads}, with_alias("www.tv.example"));
  CHECK(led(*target.bed, {}) == blocked);
  CHECK(target.bed->upstream.count == 0);
  for (const bool trusted : {true, false}) {
    List own = ads;
    own.text += "@@||alias.home.example^\n";
    own.trusted = trusted;
    TableBed excepted({own}, with_alias());
    CHECK(led(*excepted.bed, cloaked).size() == 3);
    TableBed other({ads, {"own", Format::adblock, "@@||alias.home.example^\n", trusted}},
                   with_alias());
    CHECK((led(*other.bed, cloaked) == blocked) == !trusted);
  }
}

TEST_CASE("a trusted rewrite is the last word of lists, not of the policy") {
  const List ads{"ads", Format::adblock, "||tracker.example^\n||shop.example^\n"};
  const List bad{"bad", Format::addresses, "93.184.216.0/24\n"};
  const List mine{"mine", Format::adblock, "||alias.home.example^$dnsrewrite=www.shop.example\n"};
  TableBed open({ads, bad, mine});
  const Lines lines = led(*open.bed, cloaked);
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] == "alias.home.example CNAME 10 www.shop.example");
  CHECK(open.bed->counters->rewritten.get() == 1);
  TableBed chain({mine}, {}, blocking({"tracker.example"}));
  for (int i = 0; i < 2; ++i) CHECK(led(*chain.bed, cloaked) == blocked);
  TableBed target({mine}, {}, blocking({"shop.example"}));
  CHECK(led(*target.bed, cloaked) == blocked);
  CHECK(target.bed->upstream.count == 0);
  TableBed inside({mine});
  CHECK(led(*inside.bed, {address("www.shop.example", "10.0.0.1")}) == blocked);
}

TEST_CASE("what passed behind a rewrite has not passed for who asks for it") {
  TableBed made({{"ads", Format::adblock, "||tracker.example^\n"},
                 {"mine", Format::adblock, "||alias.home.example^$dnsrewrite=www.shop.example\n"}});
  Bed& bed = *made.bed;
  CHECK(led(bed, cloaked).size() == 3);
  bed.ask("www.shop.example");
  CHECK(bed.take().lines == Lines{"www.shop.example A 10 0.0.0.0"});
}

TEST_CASE("a rewrite may lead to a record of ours, and a record to what is rewritten") {
  dns::Settings settings = with_alias("old.example");
  settings.records.push_back({"nas.home.example", "A", "192.168.1.5", 60s});
  TableBed made({{"mine", Format::adblock, "||old.example^$dnsrewrite=nas.home.example\n"}},
                settings);
  Bed& bed = *made.bed;
  const Lines tail{"old.example CNAME 10 nas.home.example", "nas.home.example A 60 192.168.1.5"};
  bed.ask("old.example");
  CHECK(bed.take().lines == tail);
  bed.ask("alias.home.example");
  CHECK(bed.take().lines == Lines{"alias.home.example CNAME 60 old.example", tail[0], tail[1]});
  CHECK(bed.upstream.count == 0);
}

TEST_CASE("aliases and rewrites that lead in a circle end in SERVFAIL") {
  TableBed made({{"mine", Format::adblock, "||old.example^$dnsrewrite=alias.home.example\n"}},
                with_alias("old.example"));
  Bed& bed = *made.bed;
  bed.ask("alias.home.example");
  const Answer answer = bed.take();
  CHECK(answer.valid);
  CHECK(answer.rcode == rcode::servfail);
  CHECK(bed.upstream.count == 0);
}

TEST_CASE("safe search holds behind an alias, and types are not given behind one either") {
  dns::Policy policy;
  policy.safe_search = true;
  policy.filter_aaaa = true;
  Bed bed(with_alias("www.google.com"), policy);
  bed.ask("alias.home.example");
  REQUIRE(bed.upstream.open.size() == 1);
  CHECK(bed.upstream.open[0].name == name_of("forcesafesearch.google.com"));
  bed.upstream.answer({address("forcesafesearch.google.com", "93.184.216.34")});
  CHECK(bed.take().lines.size() == 3);
  Bed plain(with_alias(), policy);
  plain.ask("alias.home.example", type::aaaa);
  CHECK(plain.take().records.at(0).type == type::soa);
  CHECK(plain.upstream.count == 0);
}

TEST_CASE("a rewrite gives no types that the client is not to have, be it to the name itself") {
  const List mine{"mine", Format::adblock,
                  "||moved.example^$dnsrewrite=www.shop.example\n"
                  "||same.example^$dnsrewrite=same.example\n"};
  dns::Policy policy;
  policy.safe_search = true;
  policy.filter_aaaa = true;
  policy.ech = dns::EchPolicy::drop;
  TableBed made({mine}, {}, policy);
  Bed& bed = *made.bed;
  for (const char* const each : {"moved.example", "same.example", "www.google.com"})
    for (const std::uint16_t left_out : {type::aaaa, type::https}) {
      INFO(each << ' ' << left_out);
      bed.ask(each, left_out);
      REQUIRE(bed.upstream.open.empty());
      CHECK(bed.take().records.at(0).type == type::soa);
    }
}

TEST_CASE("hints behind an alias are judged, and taken out where the policy says so") {
  const auto binding = [](std::initializer_list<int> hint) {
    std::vector<std::byte> rdata{std::byte{0}, std::byte{1}, std::byte{0}, std::byte{0},
                                 std::byte{4}, std::byte{0}, std::byte{4}};
    for (const int octet : hint) rdata.push_back(std::byte(octet));
    return std::vector<Said>{{"www.shop.example", type::https, 300, rdata}};
  };
  const auto records = [&](Bed& bed, std::initializer_list<int> hint) {
    bed.ask("alias.home.example", type::https);
    bed.upstream.answer(binding(hint));
    return bed.take().records;
  };
  Bed bed(with_alias());
  const auto given = records(bed, {93, 184, 216, 34});
  REQUIRE(given.size() == 2);
  CHECK(given[1].type == type::https);
  Bed inside(with_alias());
  CHECK(records(inside, {10, 0, 0, 1}).at(0).type == type::soa);
}

TEST_CASE("a policy that changes while an alias is looked up holds for what comes") {
  Bed bed(with_alias());
  bed.ask("alias.home.example");
  dns::ClientConfig config = bed.client->config;
  config.policy = std::make_shared<const dns::Policy>(blocking({"tracker.example"}));
  bed.resolver->update_client(*bed.client, config);
  bed.upstream.answer(cloaked);
  CHECK(bed.take().lines == blocked);
}
