#include <cstring>

#include "dns/inspection.hpp"
#include "tests/dns/answer_support.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::dns;
using namespace culvert::dns::test;

namespace {

Octets v4(unsigned last) {
  return octets({192, 0, 2, last});
}
Octets v6() {
  return address("2001:db8::1");
}

// mandatory, alpn, ipv4hint, ech, ipv6hint.
Octets parameters(const Octets& mandatory, bool ech, bool v6hint) {
  Octets out;
  if (!mandatory.empty()) out = out + parameter(0, mandatory);
  out = out + parameter(1, octets({2, 'h', '2'})) + parameter(4, v4(1));
  if (ech) out = out + parameter(5, octets({1, 2, 3}));
  if (v6hint) out = out + parameter(6, v6());
  return out;
}

struct Tailored {
  Tailored(const Octets& rdata, const Policy& policy) {
    AnswerBuilder answer("www.example.com", type::https);
    answer.flag(3, 0x20)
        .cname("www.example.com", "cdn.example.net")
        .add(0, "cdn.example.net", type::https, 300, rdata)
        .rrsig(0, "cdn.example.net", type::https, "example.net")
        .add(0, "cdn.example.net", type::https, 200,
             binding(2, "alt.example.net", parameter(4, v4(2))))
        .rrsig(0, "www.example.com", type::cname, "example.com");
    Octets buffer(4096);
    CleanAnswer clean;
    const Name about = name("www.example.com");
    clean_answer(answer.bytes(), {about, type::https, class_::in, true, true}, buffer, clean);
    REQUIRE(clean.ok());
    CHECK(clean.has_bindings);
    before.assign(clean.message.begin(), clean.message.end());
    after = before;
    after.resize(tailor_answer(after, policy));
  }
  Octets first_binding() const {
    MessageReader reader(after);
    Record record;
    while (reader.next(record))
      if (record.type == type::https) return {record.rdata.begin(), record.rdata.end()};
    return {};
  }
  bool authentic() const { return (std::to_integer<unsigned>(after[3]) & 0x20) != 0; }
  Octets before, after;
};

Policy strip(bool ech, bool ipv6) {
  Policy policy;
  if (ech) policy.ech = EchPolicy::strip;
  policy.filter_aaaa = ipv6;
  return policy;
}

}  // namespace

TEST_CASE("an answer is left as it is where the policy takes nothing out of it") {
  const Tailored plain(binding(1, ".", parameters({}, true, true)), Policy());
  CHECK(plain.before == plain.after);
  const Tailored nothing(binding(1, ".", parameters({}, false, true)), strip(true, false));
  CHECK(nothing.before == nothing.after);
  CHECK(nothing.authentic());
  CHECK_FALSE(wants_tailoring(Policy()));
}

TEST_CASE("ech and ipv6hint are taken out, with signatures of what was changed and AD") {
  for (const bool ech : {false, true})
    for (const bool ipv6 : {false, true}) {
      if (!ech && !ipv6) continue;
      const Tailored tailored(binding(1, ".", parameters({}, true, true)), strip(ech, ipv6));
      CHECK(tailored.first_binding() == binding(1, ".", parameters({}, !ech, !ipv6)));
      CHECK_FALSE(tailored.authentic());
      const std::vector<std::string> records = records_of(tailored.after);
      REQUIRE(records.size() == 4);
      CHECK(records[0] == "answer www.example.com 300 CNAME cdn.example.net");
      CHECK(records[1] == "answer www.example.com 300 RRSIG CNAME");
      CHECK(records[2].starts_with("answer cdn.example.net 300 HTTPS"));
      CHECK(records[3].starts_with("answer cdn.example.net 200 HTTPS"));
      MessageReader reader(tailored.after);
      Record record;
      while (reader.next(record)) {
      }
      CHECK(reader.at_end());
    }
}

TEST_CASE("what is taken out is mandatory no more") {
  const Tailored one(binding(1, ".", parameters(octets({0, 1, 0, 5}), true, false)),
                     strip(true, false));
  CHECK(one.first_binding() == binding(1, ".", parameters(octets({0, 1}), false, false)));
  const Tailored none(binding(1, ".", parameters(octets({0, 5}), true, false)), strip(true, false));
  CHECK(none.first_binding() == binding(1, ".", parameters({}, false, false)));
}
