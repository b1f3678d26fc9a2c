// How the resolver answers: from upstream, from the cache, and by what clients may ask.
#include "tests/dns/resolver_bed.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
namespace type = dns::type;
namespace rcode = dns::rcode;

TEST_CASE("a question goes upstream once and is then answered from the cache with a lower TTL") {
  Bed bed;
  const Answer first = bed.learn("www.example.com", {address("www.example.com", "93.184.216.34")});
  CHECK(first.lines == Lines{"www.example.com A 300 93.184.216.34"});
  CHECK(first.valid);
  bed.pass(100s);
  bed.ask("www.example.com", type::a, 77);
  const Answer second = bed.take();
  CHECK(second.lines == Lines{"www.example.com A 200 93.184.216.34"});
  CHECK(second.header.id == 77);
  CHECK(bed.upstream.count == 1);
  CHECK(bed.counters->cached.get() == 1);
  CHECK(bed.counters->forwarded.get() == 1);
}

TEST_CASE("an answer has the question in the case in which it was asked") {
  Bed bed;
  bed.learn("www.example.com", {address("www.example.com", "93.184.216.34")});
  auto asked = query("www.example.com", type::a, 5);
  asked[13] = std::byte{'W'};
  bed.ask(asked);
  const Answer answer = bed.take();
  CHECK(answer.bytes[13] == std::byte{'W'});
  CHECK(bed.upstream.count == 1);
}

TEST_CASE("names that point to the question do not show the case in which it went upstream") {
  Bed bed;
  bed.ask("www.example.com");
  // The target of the CNAME is "edge" and the end of the question's name.
  const std::string_view answer(
      "\0\1\x81\x80\0\1\0\2\0\0\0\0"
      "\3wWw\7eXample\3cOm\0\0\1\0\1"
      "\xc0\x0c\0\5\0\1\0\0\1\x2c\0\7\4edge\xc0\x10"
      "\xc0\x2d\0\1\0\1\0\0\1\x2c\0\4\x5d\xb8\xd8\x22",
      68);
  bed.upstream.answer_bytes(std::as_bytes(std::span(answer)));
  for (int i = 0; i < 2; ++i) {
    const Answer got = bed.take();
    CHECK(got.lines == Lines{"www.example.com CNAME 300 edge.example.com",
                             "edge.example.com A 300 93.184.216.34"});
    const std::string text(reinterpret_cast<const char*>(got.bytes.data()), got.bytes.size());
    CHECK(text.find("eXample") == text.npos);
    bed.ask("www.example.com");
  }
}

TEST_CASE("after its TTL an answer is asked for anew") {
  Bed bed;
  bed.learn("a.example.com", {address("a.example.com", "93.184.216.34", 60)});
  bed.pass(60s);
  bed.ask("a.example.com");
  CHECK(bed.got.empty());
  REQUIRE(bed.upstream.open.size() == 1);
  bed.upstream.answer({address("a.example.com", "93.184.216.35", 60)});
  CHECK(bed.take().lines == Lines{"a.example.com A 60 93.184.216.35"});
}

TEST_CASE("TTLs are put between the clamps") {
  dns::Settings settings;
  settings.cache.min_ttl = 60s;
  settings.cache.max_ttl = 3600s;
  Bed bed(settings);
  CHECK(bed.learn("low.example.com", {address("low.example.com", "93.184.216.34", 1)}).lines ==
        Lines{"low.example.com A 60 93.184.216.34"});
  CHECK(
      bed.learn("high.example.com", {address("high.example.com", "93.184.216.34", 86400)}).lines ==
      Lines{"high.example.com A 3600 93.184.216.34"});
  bed.pass(59s);
  bed.ask("low.example.com");
  CHECK(bed.upstream.open.empty());
}

TEST_CASE("an answer with a TTL of zero is given to who waits and not kept") {
  Bed bed;
  bed.ask("a.example.com");
  bed.ask("a.example.com");
  bed.upstream.answer({address("a.example.com", "93.184.216.34", 0)});
  CHECK(bed.got.size() == 2);
  bed.ask("a.example.com");
  CHECK(bed.upstream.count == 2);
}

TEST_CASE("a negative answer holds for the SOA's TTL or MINIMUM, whatever is less") {
  Bed bed;
  const Answer answer =
      bed.learn("no.example.com", {soa("example.com", 900, 120)}, rcode::nxdomain);
  CHECK(answer.rcode == rcode::nxdomain);
  CHECK(answer.lines == Lines{"example.com SOA 120"});
  bed.pass(119s);
  bed.ask("no.example.com");
  const Answer later = bed.take();
  CHECK(later.rcode == rcode::nxdomain);
  CHECK(later.lines == Lines{"example.com SOA 1"});
  bed.pass(1s);
  bed.ask("no.example.com");
  CHECK(bed.upstream.open.size() == 1);
}

TEST_CASE("a negative answer without an SOA is not kept") {
  Bed bed;
  bed.learn("no.example.com", {}, rcode::nxdomain);
  bed.ask("no.example.com");
  CHECK(bed.upstream.open.size() == 1);
}

TEST_CASE("equal questions under way are asked once and all are answered") {
  Bed bed;
  for (std::uint16_t id = 1; id <= 10; ++id) bed.ask("a.example.com", type::a, id);
  CHECK(bed.upstream.count == 1);
  bed.upstream.answer({address("a.example.com", "93.184.216.34")});
  REQUIRE(bed.got.size() == 10);
  for (std::uint16_t id = 1; id <= 10; ++id) CHECK(bed.take().header.id == id);
  CHECK(bed.counters->coalesced.get() == 9);
  CHECK(bed.client->in_flight == 0);
}

TEST_CASE("questions that differ in DO, CD, type or upstreams are not the same") {
  Bed bed;
  dns::Policy elsewhere;
  elsewhere.upstream = {"9.9.9.9"};
  dns::Client& other = bed.add(elsewhere);
  bed.ask(query("a.example.com", type::a, 1, false));
  bed.ask(query("a.example.com", type::a, 1, true));
  bed.ask(query("a.example.com", type::aaaa, 1, false));
  bed.resolver->ask(other, Bed::asker(), query("a.example.com", type::a));
  REQUIRE(bed.upstream.open.size() == 4);
  CHECK(bed.upstream.open[1].dnssec_ok);
  CHECK(bed.upstream.sets[bed.upstream.open[3].set] == std::vector<std::string>{"9.9.9.9"});
}

TEST_CASE("AD is told only to who asks for it, and only of an authenticated upstream") {
  const auto ad_of = [](bool authenticated, bool wants) {
    Bed bed;
    auto asked = query("a.example.com", type::a);
    if (wants) asked[3] |= std::byte{0x20};
    bed.ask(asked);
    const auto question = bed.upstream.take();
    auto message =
        upstream_answer(question.name, type::a, {address("a.example.com", "93.184.216.34")});
    message[3] |= std::byte{0x20};
    FakeUpstream::reply(question, message, authenticated);
    return bed.take().header.authentic_data;
  };
  CHECK(ad_of(true, true));
  CHECK_FALSE(ad_of(true, false));
  CHECK_FALSE(ad_of(false, true));
}

TEST_CASE("an answer has OPT only if the query had it") {
  Bed bed;
  bed.learn("a.example.com", {address("a.example.com", "93.184.216.34")});
  bed.ask(plain_query("a.example.com", type::a));
  CHECK_FALSE(bed.take().has_opt);
  bed.ask("a.example.com");
  CHECK(bed.take().has_opt);
}

TEST_CASE("what does not fit into a datagram is cut to the question, and whole over TCP") {
  Bed bed;
  std::vector<Said> many;
  for (int i = 1; i <= 60; ++i)
    many.push_back(address("big.example.com", "93.184.216." + std::to_string(i)));
  const Answer cut = bed.learn("big.example.com", many);
  CHECK(cut.header.truncated == false);  // 60 addresses are within 1232 octets
  bed.ask(plain_query("big.example.com", type::a));
  const Answer small = bed.take();
  CHECK(small.header.truncated);
  CHECK(small.records.empty());
  CHECK(small.valid);
  bed.ask(plain_query("big.example.com", type::a), true);
  const Answer whole = bed.take();
  CHECK_FALSE(whole.header.truncated);
  CHECK(whole.records.size() == 60);
}

TEST_CASE("questions that are none of a client's business are refused") {
  Bed bed;
  for (const std::uint16_t meta : {type::axfr, type::ixfr, type::tsig}) {
    bed.ask("example.com", meta);
    CHECK(bed.take().rcode == rcode::refused);
  }
  auto chaos = query("version.bind", type::txt);
  chaos[dns::header_size + name_of("version.bind").size() + 3] = std::byte{3};
  bed.ask(chaos);
  const Answer version = bed.take();
  REQUIRE(version.records.size() == 1);
  CHECK(version.records[0].rdata.size() == 8);
  bed.ask("example.com", type::any);
  const Answer any = bed.take();
  REQUIRE(any.records.size() == 1);
  CHECK(any.records[0].type == type::hinfo);
  CHECK(bed.upstream.count == 0);
}

TEST_CASE("without RD only what is known is answered") {
  Bed bed;
  auto asked = query("a.example.com", type::a);
  asked[2] &= std::byte{0xfe};
  bed.ask(asked);
  CHECK(bed.take().rcode == rcode::refused);
  CHECK(bed.upstream.count == 0);
  bed.learn("a.example.com", {address("a.example.com", "93.184.216.34")});
  bed.ask(asked);
  CHECK(bed.take().records.size() == 1);
}

TEST_CASE("malformed queries are counted and answered as the RFCs say") {
  Bed bed;
  bed.ask(std::vector<std::byte>(5));
  CHECK(bed.got.empty());
  auto two = query("a.example.com", type::a);
  two[5] = std::byte{2};
  bed.ask(two);
  CHECK(bed.take().rcode == rcode::formerr);
  CHECK(bed.counters->malformed.get() == 2);
}

TEST_CASE("a removed client gets nothing, and who waits with it does") {
  Bed bed;
  dns::Client& other = bed.add({});
  bed.ask("a.example.com");
  bed.resolver->ask(other, Bed::asker(), query("a.example.com", type::a, 9));
  bed.resolver->remove_client(*bed.client);
  bed.upstream.answer({address("a.example.com", "93.184.216.34")});
  REQUIRE(bed.got.size() == 1);
  CHECK(bed.take().header.id == 9);
}

TEST_CASE("a client that left alone leaves the answer to the cache") {
  Bed bed;
  dns::Client& other = bed.add({});
  bed.ask("a.example.com");
  bed.resolver->remove_client(*bed.client);
  bed.upstream.answer({address("a.example.com", "93.184.216.34")});
  CHECK(bed.got.empty());
  bed.client = &other;
  bed.ask("a.example.com");
  CHECK(bed.take().records.size() == 1);
}

TEST_CASE("a route goes before the policy's upstreams, the longest domain before others") {
  dns::Settings settings;
  settings.routes = {{"corp.example", {"10.0.0.1"}}, {"lab.corp.example", {"10.0.0.2"}}};
  dns::Policy policy;
  policy.upstream = {"9.9.9.9"};
  Bed bed(settings, policy);
  for (const char* name : {"a.corp.example", "b.lab.corp.example", "corp.example", "xcorp.example"})
    bed.ask(name);
  REQUIRE(bed.upstream.open.size() == 4);
  const auto to = [&](std::size_t i) { return bed.upstream.sets[bed.upstream.open[i].set].at(0); };
  CHECK(to(0) == "10.0.0.1");
  CHECK(to(1) == "10.0.0.2");
  CHECK(to(2) == "10.0.0.1");
  CHECK(to(3) == "9.9.9.9");
}

TEST_CASE(
    "special names stay here though a route is for everything; a route of theirs takes them") {
  dns::Settings settings;
  settings.routes = {{".", {"10.0.0.1"}}, {"home.arpa", {"10.0.0.2"}}};
  Bed bed(settings);
  for (const char* name : {"localhost", "secret.onion", "1.1.168.192.in-addr.arpa"}) bed.ask(name);
  CHECK(bed.got.size() == 3);
  CHECK(bed.upstream.count == 0);
  bed.ask("nas.home.arpa");
  bed.ask("www.example");
  REQUIRE(bed.upstream.open.size() == 2);
  CHECK(bed.upstream.sets[bed.upstream.open[0].set].at(0) == "10.0.0.2");
  CHECK(bed.upstream.sets[bed.upstream.open[1].set].at(0) == "10.0.0.1");
}

TEST_CASE("what was known of other upstreams is forgotten with them") {
  Bed bed;
  bed.learn("a.example.com", {address("a.example.com", "93.184.216.34")});
  dns::Settings settings;
  bed.resolver->set_settings(settings);
  bed.ask("a.example.com");
  CHECK(bed.upstream.count == 1);
  bed.got.clear();
  settings.upstream = {"1.1.1.1"};
  bed.resolver->set_settings(settings);
  bed.ask("a.example.com");
  CHECK(bed.upstream.count == 2);
}

TEST_CASE("upstreams that nobody names any more are let go") {
  using Sets = std::vector<std::vector<std::string>>;
  const auto policy_of = [](const char* upstream) {
    dns::Policy policy;
    policy.upstream = {upstream};
    return policy;
  };
  dns::Settings settings;
  settings.routes = {{"corp.example", {"10.0.0.1"}}};
  Bed bed(settings, policy_of("9.9.9.9"));
  dns::Client& other = bed.add(policy_of("8.8.8.8"));
  bed.resolver->flush();
  CHECK(bed.upstream.sets == Sets{{}, {"10.0.0.1"}, {"8.8.8.8"}, {"9.9.9.9"}});
  dns::ClientConfig changed = bed.client->config;
  changed.policy = std::make_shared<const dns::Policy>(policy_of("1.1.1.1"));
  bed.resolver->update_client(*bed.client, changed);
  bed.resolver->remove_client(other);
  bed.resolver->flush();
  CHECK(bed.upstream.sets == Sets{{}, {"10.0.0.1"}, {"1.1.1.1"}});
  settings.routes.clear();
  bed.resolver->set_settings(settings);
  CHECK(bed.upstream.sets == Sets{{}, {"1.1.1.1"}});
  bed.ask("a.example.com");
  REQUIRE(bed.upstream.open.size() == 1);
  CHECK(bed.upstream.sets[bed.upstream.open[0].set].at(0) == "1.1.1.1");
}

TEST_CASE("of upstreams that were replaced meanwhile no answer is kept, the new ones are asked") {
  Bed bed;
  bed.ask("a.example.com");
  dns::Settings settings;
  settings.upstream = {"1.1.1.1"};
  bed.resolver->set_settings(settings);
  bed.upstream.answer({address("a.example.com", "93.184.216.34")});
  CHECK(bed.got.empty());
  REQUIRE(bed.upstream.open.size() == 1);
  bed.upstream.answer({address("a.example.com", "93.184.216.35")});
  CHECK(bed.take().lines == Lines{"a.example.com A 300 93.184.216.35"});
}
