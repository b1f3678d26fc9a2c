#include <cstring>

#include "dns/inspection.hpp"
#include "tests/dns/answer_support.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::dns;
using namespace culvert::dns::test;
using Fault = CleanAnswer::Fault;
using Texts = std::vector<std::string>;

namespace {

struct Cleaned {
  explicit Cleaned(const AnswerBuilder& answer, std::string_view asked = "www.example.com",
                   std::uint16_t type = type::a, bool dnssec = false, std::size_t room = 4096)
      : buffer(room) {
    const Name about = name(asked);
    clean_answer(answer.bytes(), {about, type, class_::in, dnssec, false}, buffer, result);
    if (result.ok()) records = records_of(result.message);
  }
  Octets buffer;
  CleanAnswer result;
  Texts records;
};

AnswerBuilder www(std::uint16_t rcode = 0) {
  return {"www.example.com", type::a, rcode};
}

}  // namespace

TEST_CASE("an answer keeps the chain of the name asked, in order, and what was asked for") {
  auto answer = www();
  answer.a("cdn.example.net", "192.0.2.2", 60)
      .cname("alias.example.com", "cdn.example.net", 120)
      .cname("www.example.com", "alias.example.com", 300)
      .a("cdn.example.net", "192.0.2.1", 90);
  const Cleaned cleaned(answer);
  REQUIRE(cleaned.result.ok());
  CHECK(cleaned.records == Texts{"answer www.example.com 300 CNAME alias.example.com",
                                 "answer alias.example.com 120 CNAME cdn.example.net",
                                 "answer cdn.example.net 60 A 192.0.2.2",
                                 "answer cdn.example.net 90 A 192.0.2.1"});
  CHECK(cleaned.result.ttl == 60);
  CHECK_FALSE(cleaned.result.negative);
  CHECK(cleaned.result.has_targets);
  REQUIRE(cleaned.result.records == 4);
  const std::uint32_t ttls[] = {300, 120, 60, 90};
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(base::load_be32(cleaned.result.message.data() + cleaned.result.ttl_at[i]) == ttls[i]);
}

TEST_CASE("records that nobody asked for are left out of an answer") {
  auto answer = www();
  answer.a("www.example.com", "192.0.2.1")
      .a("bank.example", "192.0.2.66")
      .add(0, "www.example.com", type::txt, 300, octets({1, 'x'}))
      .add(0, "www.example.com", type::a, 300, address("192.0.2.67"), class_::chaos)
      .add(1, "example.com", type::ns, 300, wire("ns.evil.example"))
      .add(2, "ns.evil.example", type::a, 300, address("192.0.2.68"));
  const Cleaned cleaned(answer);
  CHECK(cleaned.records == Texts{"answer www.example.com 300 A 192.0.2.1"});
}

TEST_CASE("a chain that turns on itself or is too long is refused") {
  auto loop = www();
  loop.cname("www.example.com", "b.example.com").cname("b.example.com", "www.example.com");
  CHECK(Cleaned(loop).result.fault == Fault::loop);
  auto self = www();
  self.cname("www.example.com", "www.example.com");
  CHECK(Cleaned(self).result.fault == Fault::loop);
  for (const std::size_t length : {max_chain, max_chain + 1}) {
    auto chain = www();
    std::string from = "www.example.com";
    for (std::size_t i = 0; i < length; ++i) {
      const std::string to = "n" + std::to_string(i) + ".example.com";
      chain.cname(from, to);
      from = to;
    }
    chain.a(from, "192.0.2.1");
    CHECK(Cleaned(chain).result.fault == (length == max_chain ? Fault::none : Fault::loop));
  }
}

TEST_CASE("a DNAME is kept, and its CNAME made where the answer has none") {
  for (const bool with_cname : {true, false}) {
    AnswerBuilder answer("www.old.example", type::a);
    answer.add(0, "old.example", type::dname, 200, wire("new.example"));
    if (with_cname) answer.cname("www.old.example", "www.new.example", 200);
    answer.a("www.new.example", "192.0.2.7");
    const Cleaned cleaned(answer, "www.old.example");
    CHECK(cleaned.records == Texts{"answer old.example 200 DNAME new.example",
                                   "answer www.old.example 200 CNAME www.new.example",
                                   "answer www.new.example 300 A 192.0.2.7"});
  }
}

TEST_CASE("a CNAME that is asked for is found below a DNAME, too") {
  for (const bool with_cname : {true, false}) {
    AnswerBuilder answer("www.old.example", type::cname);
    answer.add(0, "old.example", type::dname, 200, wire("new.example"));
    if (with_cname) answer.cname("www.old.example", "www.new.example", 200);
    answer.a("www.new.example", "192.0.2.7");
    const Cleaned cleaned(answer, "www.old.example", type::cname);
    CHECK(cleaned.records == Texts{"answer old.example 200 DNAME new.example",
                                   "answer www.old.example 200 CNAME www.new.example"});
    CHECK_FALSE(cleaned.result.negative);
  }
}

TEST_CASE("an answer with more DNAMEs than a chain has is refused") {
  for (const std::size_t count : {max_chain, max_chain + 1}) {
    auto answer = www();
    answer.a("www.example.com", "192.0.2.1");
    for (std::size_t i = 0; i < count; ++i)
      answer.add(0, "d" + std::to_string(i) + ".example", type::dname, 200, wire("new.example"));
    CHECK(Cleaned(answer).result.fault == (count == max_chain ? Fault::none : Fault::too_many));
  }
}

TEST_CASE("a negative answer keeps the SOA of a zone that the name is in") {
  auto answer = www(rcode::nxdomain);
  answer.soa("example.com", 900, 60)
      .add(1, "example.com", type::ns, 300, wire("ns.example.com"))
      .add(1, ".", type::ns, 300, wire("a.root"))
      .add(1, "example.com", type::nsec, 300, wire("a.example.com") + octets({0, 1, 64}));
  const Cleaned cleaned(answer);
  CHECK(cleaned.result.negative);
  CHECK(cleaned.result.has_soa);
  CHECK(cleaned.result.rcode == rcode::nxdomain);
  CHECK(cleaned.result.ttl == 60);
  REQUIRE(cleaned.records.size() == 2);
  CHECK(cleaned.records[0].starts_with("authority example.com 900 SOA"));
  CHECK(cleaned.records[1] == "authority example.com 300 NS ns.example.com");

  auto foreign = www();
  foreign.soa("evil.example", 900, 60);
  const Cleaned other(foreign);
  CHECK(other.result.negative);
  CHECK_FALSE(other.result.has_soa);
  CHECK(other.records.empty());
  CHECK(other.result.ttl == 0);
}

TEST_CASE("DNSSEC records are kept for who asked with DO, of zones that signed the answer") {
  auto positive = www();
  positive.a("www.example.com", "192.0.2.1")
      .rrsig(0, "www.example.com", type::a, "example.com")
      .rrsig(0, "www.example.com", type::txt, "example.com")
      .add(1, "a.example.com", type::nsec, 300, wire("z.example.com") + octets({0, 1, 64}))
      .rrsig(1, "a.example.com", type::nsec, "example.com")
      .rrsig(1, "example.com", type::ns, "example.com")
      .add(1, "a.evil.example", type::nsec, 300, wire("z.evil.example") + octets({0, 1, 64}));
  CHECK(Cleaned(positive, "www.example.com", type::a, true).records ==
        Texts{"answer www.example.com 300 A 192.0.2.1", "answer www.example.com 300 RRSIG A",
              "authority a.example.com 300 NSEC 18", "authority a.example.com 300 RRSIG NSEC"});
  CHECK(Cleaned(positive).records == Texts{"answer www.example.com 300 A 192.0.2.1"});

  AnswerBuilder asked("www.example.com", type::rrsig);
  asked.rrsig(0, "www.example.com", type::a, "example.com");
  CHECK(Cleaned(asked, "www.example.com", type::rrsig).records ==
        Texts{"answer www.example.com 300 RRSIG A"});

  auto negative = www(rcode::nxdomain);
  negative.add(1, "a.example.com", type::nsec3, 300, octets({1, 0}))
      .soa("example.com", 900, 60)
      .rrsig(1, "example.com", type::soa, "example.com");
  CHECK(Cleaned(negative, "www.example.com", type::a, true).records.size() == 3);
}

TEST_CASE("RDATA of types nobody knows is passed on octet for octet") {
  AnswerBuilder answer("www.example.com", 65280);
  answer.add(0, "www.example.com", 65280, 300, octets({0xc0, 0x0c, 0xff, 0, 1}));
  const Cleaned cleaned(answer, "www.example.com", 65280);
  REQUIRE(cleaned.result.ok());
  MessageReader reader(cleaned.result.message);
  Record record;
  REQUIRE(reader.next(record));
  CHECK(std::memcmp(record.rdata.data(), octets({0xc0, 0x0c, 0xff, 0, 1}).data(), 5) == 0);
}

TEST_CASE("compressed names in RDATA are written out, owners are compressed") {
  AnswerBuilder answer("example.com", type::mx);
  answer.raw(0, octets({0xc0, 12}), type::mx, 300,
             octets({0, 10, 4, 'm', 'a', 'i', 'l', 0xc0, 12}));
  const Cleaned cleaned(answer, "example.com", type::mx);
  REQUIRE(cleaned.result.ok());
  MessageReader reader(cleaned.result.message);
  Record record;
  REQUIRE(reader.next(record));
  CHECK(record.rdata.size() == 2 + name("mail.example.com").size());
  CHECK(cleaned.result.message.size() ==
        header_size + name("example.com").size() + 4 + 2 + 10 + record.rdata.size());
}

TEST_CASE("messages that are no answer to the question are told apart") {
  const auto fault = [](const AnswerBuilder& answer) { return Cleaned(answer).result.fault; };
  CHECK(fault(AnswerBuilder("other.example.com", type::a)) == Fault::other_question);
  CHECK(fault(AnswerBuilder("www.example.com", type::aaaa)) == Fault::other_question);
  AnswerBuilder query("www.example.com", type::a);
  Octets bytes = query.bytes();
  CleanAnswer out;
  Octets buffer(512);
  const Name about = name("www.example.com");
  const auto of = [&](const Octets& message) {
    clean_answer(message, {about, type::a}, buffer, out);
    return out.fault;
  };
  CHECK(of(bytes) == Fault::none);
  CHECK(of(bytes + octets({0})) == Fault::malformed);
  bytes[2] = std::byte{0x01};
  CHECK(of(bytes) == Fault::malformed);
  CHECK(of({}) == Fault::malformed);
  auto cut = www();
  cut.a("www.example.com", "192.0.2.1");
  bytes = cut.bytes();
  bytes.pop_back();
  CHECK(of(bytes) == Fault::malformed);
  bytes[2] |= std::byte{0x02};
  CHECK(of(bytes) == Fault::none);
  CHECK(out.truncated);
  CHECK(records_of(out.message).empty());
}

TEST_CASE("an answer of too many records or octets is refused") {
  auto many = www();
  for (std::size_t i = 0; i <= max_answer_records; ++i) many.a("www.example.com", "192.0.2.1");
  CHECK(Cleaned(many).result.fault == Fault::too_many);
  auto large = www();
  for (std::size_t i = 0; i < 40; ++i) large.a("www.example.com", "192.0.2.1");
  CHECK(Cleaned(large, "www.example.com", type::a, false, 512).result.fault == Fault::too_large);
  CHECK(Cleaned(large, "www.example.com", type::a, false, 1024).result.ok());
}

TEST_CASE("the upper bits of the answer's code and the upstream's reason are read from OPT") {
  auto answer = www(rcode::servfail);
  answer.a("www.example.com", "192.0.2.1")
      .raw(2, octets({0}), type::opt, 0x01000000, octets({0, 15, 0, 3, 0, 6, 'x'}), 1232);
  const Cleaned cleaned(answer);
  CHECK(cleaned.result.rcode == 18);
  CHECK(cleaned.result.has_error);
  CHECK(cleaned.result.error == 6);
  CHECK(cleaned.records.empty());
}

TEST_CASE("AD is kept of an authenticated upstream only") {
  for (const bool authenticated : {true, false}) {
    auto answer = www();
    answer.flag(3, 0x20).a("www.example.com", "192.0.2.1");
    Octets buffer(512);
    CleanAnswer out;
    const Name about = name("www.example.com");
    clean_answer(answer.bytes(), {about, type::a, class_::in, false, authenticated}, buffer, out);
    CHECK(((std::to_integer<unsigned>(out.message[3]) & 0x20) != 0) == authenticated);
  }
}

TEST_CASE("a service binding that is malformed counts as not there") {
  AnswerBuilder answer("www.example.com", type::https);
  answer.add(0, "www.example.com", type::https, 300,
             binding(1, ".", parameter(4, octets({1, 2, 3}))));
  const Cleaned cleaned(answer, "www.example.com", type::https);
  CHECK(cleaned.result.ok());
  CHECK(cleaned.result.negative);
  CHECK(cleaned.records.empty());
}

TEST_CASE("ANY is answered with what the name itself has") {
  AnswerBuilder answer("www.example.com", type::any);
  answer.cname("www.example.com", "b.example.com")
      .add(0, "www.example.com", type::txt, 300, octets({1, 'x'}))
      .a("b.example.com", "192.0.2.1");
  const Cleaned cleaned(answer, "www.example.com", type::any);
  CHECK(cleaned.records == Texts{"answer www.example.com 300 CNAME b.example.com",
                                 "answer www.example.com 300 TXT 2"});
  CHECK(cleaned.result.has_targets);
}
