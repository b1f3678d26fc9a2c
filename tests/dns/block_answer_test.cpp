#include "dns/block_answer.hpp"

#include <cstring>

#include "dns/inspection.hpp"
#include "tests/dns/filter_support.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::dns;
using namespace culvert::dns::test;
using Texts = std::vector<std::string>;

namespace {

// The answer to a question, written by a verdict.
struct Blocked {
  Blocked(const Verdict& verdict, const Policy& policy, const RuleTable* table = nullptr,
          std::uint16_t type = type::a, std::string_view asked = "www.ads.example",
          bool edns = true)
      : query(wire(asked)), buffer(1232) {
    Query read;
    read.header.id = 7;
    read.header.recursion_desired = true;
    read.question.name = name(asked);
    read.question.name_sent = query;
    read.question.type = type;
    read.question.class_ = class_::in;
    if (edns) read.edns = Edns();
    AnswerWriter writer(buffer, buffer.size(), read);
    result = write_block_answer(writer, read, verdict, policy, table);
    message = writer.finish();
    MessageReader reader(message);
    rcode = reader.header().rcode;
    Record record;
    while (reader.next(record)) note(record);
    CHECK(reader.at_end());
  }
  void note(const Record& record) {
    const std::optional<Edns> opt = read_edns(record);
    if (!opt) return;
    Option option;
    base::Bytes rest = opt->options;
    if (!next_option(rest, option) || option.code != option::ede) return;
    error = base::load_be16(option.data.data());
    text.assign(reinterpret_cast<const char*>(option.data.data()) + 2, option.data.size() - 2);
  }
  Texts records() const {
    Texts out = records_of(message);
    std::erase_if(out, [](const std::string& each) { return each.starts_with("additional"); });
    return out;
  }

  Octets query, buffer;
  BlockAnswer result;
  base::Bytes message;
  unsigned rcode = 0;
  int error = -1;
  std::string text;
};

Verdict verdict_of(Reason reason, RuleAction action = RuleAction::block) {
  Verdict verdict;
  verdict.what = Verdict::What::block;
  verdict.reason = reason;
  verdict.action = action;
  verdict.labels = 2;
  return verdict;
}

Policy answering(AnswerMode mode) {
  Policy policy;
  policy.answer = mode;
  return policy;
}

const std::string soa = "authority ads.example 10 SOA";

}  // namespace

TEST_CASE("a block is answered as the policy says") {
  const Verdict verdict = verdict_of(Reason::peer_block);
  const auto of = [&](AnswerMode mode, std::uint16_t type) {
    return Blocked(verdict, answering(mode), nullptr, type);
  };
  const auto negative = [&](const Blocked& blocked, unsigned rcode) {
    const Texts records = blocked.records();
    CHECK(blocked.rcode == rcode);
    REQUIRE(records.size() == 1);
    CHECK(records[0].starts_with(soa));
  };
  CHECK(of(AnswerMode::null_address, type::a).records() ==
        Texts{"answer www.ads.example 10 A 0.0.0.0"});
  CHECK(of(AnswerMode::null_address, type::aaaa).records() ==
        Texts{"answer www.ads.example 10 AAAA ::"});
  for (const std::uint16_t type : {type::https, type::mx, type::any})
    negative(of(AnswerMode::null_address, type), rcode::noerror);
  negative(of(AnswerMode::nxdomain, type::a), rcode::nxdomain);
  negative(of(AnswerMode::nodata, type::aaaa), rcode::noerror);
  const Blocked refused = of(AnswerMode::refused, type::a);
  CHECK(refused.rcode == rcode::refused);
  CHECK(refused.records().empty());
  CHECK(of(AnswerMode::drop, type::a).result == BlockAnswer::drop);
}

TEST_CASE("an address of one's own answers its family, other types have none") {
  Policy policy = answering(AnswerMode::address);
  policy.answer4 = base::IpAddress::parse("10.8.0.1").value();
  policy.answer_ttl = std::chrono::seconds(60);
  const Verdict verdict = verdict_of(Reason::peer_block);
  CHECK(Blocked(verdict, policy).records() == Texts{"answer www.ads.example 60 A 10.8.0.1"});
  CHECK(Blocked(verdict, policy, nullptr, type::aaaa)
            .records()
            .at(0)
            .starts_with("authority ads.example 60 SOA"));
}

TEST_CASE("a rule that says how it blocks is obeyed") {
  const Policy policy;
  const auto of = [&](RuleAction action) {
    return Blocked(verdict_of(Reason::list, action), policy);
  };
  CHECK(of(RuleAction::nxdomain).rcode == rcode::nxdomain);
  CHECK(of(RuleAction::nodata).records().at(0).starts_with(soa));
  CHECK(of(RuleAction::refused).rcode == rcode::refused);
  CHECK(of(RuleAction::drop).result == BlockAnswer::drop);
  CHECK(of(RuleAction::tcp_only).result == BlockAnswer::truncate);
}

TEST_CASE("limits are refused, whatever the policy answers blocks with") {
  for (const Reason reason : {Reason::rate, Reason::in_flight}) {
    const Blocked blocked(verdict_of(reason), Policy());
    CHECK(blocked.rcode == rcode::refused);
    CHECK(blocked.error == ede::prohibited);
  }
}

TEST_CASE("the reason is told by an Extended DNS Error, and the list is named") {
  World world({{"ads", "||ads.example^\n"}}, policy_of({"ads"}));
  const Verdict listed = world.ask("www.ads.example");
  const Blocked by_list(listed, world.policy, world.filter->table());
  CHECK(by_list.error == ede::blocked);
  CHECK(by_list.text == "list \"ads\"");
  CHECK(Blocked(listed, world.policy, nullptr).text == "list");
  CHECK(Blocked(listed, world.policy, nullptr, type::a, "www.ads.example", false).error == -1);
  for (const Reason reason : {Reason::peer_block, Reason::schedule, Reason::canary,
                              Reason::encrypted_resolver, Reason::ech, Reason::no_ipv6}) {
    const Blocked blocked(verdict_of(reason), world.policy, world.filter->table());
    CHECK(blocked.error == ede::filtered);
    CHECK_FALSE(blocked.text.empty());
  }
  CHECK(Blocked(verdict_of(Reason::rebinding), world.policy).error == ede::blocked);
}

TEST_CASE("the SOA of a block by the chain is the name's own") {
  Verdict verdict = verdict_of(Reason::list, RuleAction::nxdomain);
  verdict.by_chain = true;
  CHECK(Blocked(verdict, Policy()).records().at(0).starts_with("authority www.ads.example 10 SOA"));
}

TEST_CASE("a rewrite gives its addresses, or its CNAME and goes on") {
  World world({{"mine",
                "||ads.example^$dnsrewrite=192.0.2.7\n||b.example^$dnsrewrite=c.example\n"
                "|d.example^$dnsrewrite=d.example\n",
                true}},
              policy_of({"mine"}));
  const RuleTable* const table = world.filter->table();
  const Blocked address(world.ask("www.ads.example"), world.policy, table);
  CHECK(address.records() == Texts{"answer www.ads.example 10 A 192.0.2.7"});
  CHECK(address.result == BlockAnswer::written);
  CHECK(address.error == ede::forged_answer);
  CHECK(Blocked(world.ask("www.ads.example", type::aaaa), world.policy, table, type::aaaa)
            .records()
            .at(0)
            .starts_with("authority"));
  const Blocked alias(world.ask("b.example"), world.policy, table, type::a, "b.example");
  CHECK(alias.result == BlockAnswer::follow);
  CHECK(alias.records() == Texts{"answer b.example 10 CNAME c.example"});
  CHECK(Blocked(world.ask("b.example", type::cname), world.policy, table, type::cname, "b.example")
            .result == BlockAnswer::written);
  const Blocked same(world.ask("d.example"), world.policy, table, type::a, "d.example");
  CHECK(same.result == BlockAnswer::follow);
  CHECK(same.records().empty());
}

TEST_CASE("safe search is answered with the CNAME of the engine") {
  World world;
  world.policy.safe_search = true;
  world.use_policy();
  const Blocked blocked(world.ask("www.google.com"), world.policy, nullptr, type::a,
                        "www.google.com");
  CHECK(blocked.result == BlockAnswer::follow);
  CHECK(blocked.error == ede::filtered);
  CHECK(blocked.records() == Texts{"answer www.google.com 10 CNAME forcesafesearch.google.com"});
}

TEST_CASE("records of a clean answer are put behind what was written") {
  AnswerBuilder target("c.example", type::a);
  target.cname("c.example", "d.example").a("d.example", "192.0.2.1");
  Octets buffer(1232), out(1232);
  CleanAnswer clean;
  const Name about = name("c.example");
  clean_answer(target.bytes(), {about, type::a}, buffer, clean);
  REQUIRE(clean.ok());
  const Octets sent = wire("b.example");
  Query query;
  query.question.name = name("b.example");
  query.question.name_sent = sent;
  query.question.type = type::a;
  query.question.class_ = class_::in;
  AnswerWriter writer(out, out.size(), query);
  writer.add(Record::Section::answer, query.question.name, type::cname, 10, wire("c.example"));
  append_records(writer, clean.message);
  CHECK(records_of(writer.finish()) == Texts{"answer b.example 10 CNAME c.example",
                                             "answer c.example 300 CNAME d.example",
                                             "answer d.example 300 A 192.0.2.1"});
}
