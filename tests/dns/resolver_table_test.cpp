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

TEST_CASE("no upstream is asked for a client until a table knows its lists, and it is told why") {
  const List ads{"ads", Format::adblock, "||ads.example^\n"};
  const List kids{"kids", Format::adblock, "||games.example^\n"};
  dns::Settings settings;
  settings.lists = {settings_of(ads), settings_of(kids)};
  dns::Policy policy;
  policy.lists = {"ads"};
  policy.allow = {"good.example"};
  policy.block = {"bad.example"};
  Bed bed(settings, policy);
  const auto not_ready = [&](const char* name) {
    bed.ask(name);
    const Answer answer = bed.take();
    return answer.rcode == rcode::servfail && answer.error == dns::ede::not_ready;
  };
  CHECK(not_ready("ads.example"));
  CHECK(not_ready("other.example"));
  CHECK(bed.upstream.count == 0);
  bed.ask("bad.example");
  CHECK(bed.take().error == dns::ede::filtered);
  bed.ask("good.example");
  CHECK(bed.upstream.count == 1);

  bed.resolver->set_table(compile({kids}));
  CHECK(not_ready("other.example"));
  bed.resolver->set_table(compile({ads, kids}));
  bed.ask("other.example");
  CHECK(bed.upstream.count == 2);
  bed.ask("ads.example");
  CHECK(bed.take().error == dns::ede::blocked);
  // One that once was in force is not waited for again.
  bed.resolver->set_table(compile({kids}));
  bed.ask("another.example");
  CHECK(bed.upstream.count == 3);
}

TEST_CASE(
    "a client without lists does not wait for them, nor one whose list came by new settings") {
  const List ads{"ads", Format::adblock, "||ads.example^\n"};
  dns::Settings settings;
  dns::Policy policy;
  const bool later = GENERATE(false, true);
  if (!later) settings.lists = {settings_of(ads)};
  if (later) policy.lists = {"ads"};
  Bed bed(settings, policy);
  settings.lists = {settings_of(ads)};
  bed.resolver->set_settings(settings);
  bed.ask("other.example");
  CHECK(bed.upstream.count == 1);
}

TEST_CASE("a list of a schedule is waited for as well, until it is said that there are no rules") {
  const List ads{"ads", Format::adblock, "||ads.example^\n"};
  dns::Settings settings;
  settings.lists = {settings_of(ads)};
  dns::Policy policy;
  policy.schedules.emplace_back();
  policy.schedules.back().lists = {"ads"};
  Bed bed(settings, policy);
  bed.ask("other.example");
  CHECK(bed.take().error == dns::ede::not_ready);
  bed.resolver->set_table(nullptr);  // there are no rules
  bed.ask("other.example");
  CHECK(bed.upstream.count == 1);
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

TEST_CASE("an address in an answer is answered as its RPZ says, from the cache as well") {
  TableBed made({{"zone", Format::rpz,
                  "$TTL 60\n"
                  "24.0.2.0.192.rpz-ip CNAME .\n"
                  "32.1.2.0.192.rpz-ip CNAME rpz-passthru.\n"
                  "32.2.2.0.192.rpz-ip CNAME *.\n"
                  "32.3.2.0.192.rpz-ip CNAME rpz-drop.\n"
                  "32.4.2.0.192.rpz-ip CNAME rpz-tcp-only.\n"
                  "32.5.2.0.192.rpz-ip A 203.0.113.9\n"
                  "32.6.2.0.192.rpz-ip CNAME garden.example.\n"
                  "free.example CNAME rpz-passthru.\n"}});
  Bed& bed = *made.bed;
  const auto ask = [&](const std::string& name, const std::string& value) {
    bed.ask(name);
    if (!bed.upstream.open.empty()) bed.upstream.answer({address(name, value)});
  };
  for (int i = 0; i < 2; ++i) {
    ask("nx.example", "192.0.2.77");
    CHECK(bed.take().rcode == rcode::nxdomain);
    ask("pass.example", "192.0.2.1");
    CHECK(bed.take().lines == Lines{"pass.example A 300 192.0.2.1"});
    ask("nodata.example", "192.0.2.2");
    const Answer nodata = bed.take();
    CHECK(nodata.rcode == rcode::noerror);
    CHECK(nodata.records.at(0).type == type::soa);
    ask("drop.example", "192.0.2.3");
    CHECK(bed.got.empty());
    ask("tcp.example", "192.0.2.4");
    CHECK(bed.take().header.truncated);
    bed.ask(query("tcp.example", type::a), true);
    CHECK(bed.take().lines == Lines{"tcp.example A 300 192.0.2.4"});
    ask("data.example", "192.0.2.5");
    const Answer data = bed.take();
    CHECK(data.lines == Lines{"data.example A 10 203.0.113.9"});
    CHECK(data.error == dns::ede::forged_answer);
    ask("walled.example", "192.0.2.6");
    CHECK(bed.take().lines == Lines{"walled.example A 10 0.0.0.0"});
    ask("free.example", "192.0.2.77");  // the name comes before the address
    CHECK(bed.take().lines == Lines{"free.example A 300 192.0.2.77"});
  }
}

TEST_CASE("an answer that is for TCP alone is looked at to its end") {
  TableBed made({{"zone", Format::rpz, "$TTL 60\n32.4.2.0.192.rpz-ip CNAME rpz-tcp-only.\n"}});
  Bed& bed = *made.bed;
  const std::vector<Said> both{address("a.example", "192.0.2.4"), address("a.example", "10.0.0.1")};
  bed.ask(query("a.example", type::a), true);
  bed.upstream.answer(both);
  CHECK(bed.take().lines == Lines{"a.example A 10 0.0.0.0"});
}

TEST_CASE("an RPZ that names clients says what becomes of all their questions") {
  const auto first = [](const std::string& zone) {
    TableBed made({{"zone", Format::rpz, "$TTL 60\n*.bad.example CNAME .\n" + zone}});
    Bed& bed = *made.bed;
    dns::ClientConfig config = bed.client->config;
    config.addresses = {base::Prefix::parse("10.8.0.2/32").value()};
    bed.resolver->update_client(*bed.client, config);
    bed.ask("www.bad.example");
    if (!bed.upstream.open.empty())
      bed.upstream.answer({address("www.bad.example", "93.184.216.34")});
    const Answer answer = bed.take();
    return answer.rcode == rcode::noerror ? answer.lines.at(0)
                                          : dns::rcode_text(answer.rcode).data();
  };
  CHECK(first("") == "NXDOMAIN");
  CHECK(first("24.0.0.8.10.rpz-client-ip CNAME rpz-passthru.\n") ==
        "www.bad.example A 300 93.184.216.34");
  CHECK(first("24.0.9.8.10.rpz-client-ip CNAME rpz-passthru.\n") == "NXDOMAIN");
  CHECK(first("32.2.0.8.10.rpz-client-ip A 192.0.2.9\n") == "www.bad.example A 10 192.0.2.9");
}

TEST_CASE("$dnsrewrite=SERVFAIL is SERVFAIL with the reason") {
  TableBed made({{"mine", Format::adblock, "||a.example^$dnsrewrite=SERVFAIL\n"}});
  Bed& bed = *made.bed;
  bed.ask("x.a.example");
  const Answer answer = bed.take();
  CHECK(answer.rcode == rcode::servfail);
  CHECK(answer.records.empty());
  CHECK(answer.error == dns::ede::blocked);
}
