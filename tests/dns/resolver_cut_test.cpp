// Names below one that does not exist.
#include "tests/dns/resolver_bed.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
namespace type = dns::type;
namespace rcode = dns::rcode;

namespace {

// The oldest question is answered: its name does not exist, says an upstream that validates or not.
void deny(Bed& bed, bool validated, std::vector<Said> records = {soa("example", 600, 300)},
          std::uint16_t code = rcode::nxdomain) {
  const FakeUpstream::Asked asked = bed.upstream.take();
  auto message = upstream_answer(asked.name, asked.type, records, code);
  if (validated) message[3] |= std::byte{0x20};  // AD
  FakeUpstream::reply(asked, message, true);
}

// Is the question answered with NXDOMAIN and nobody asked for it?
bool is_cut(Bed& bed, std::string_view name, std::uint16_t type = type::a) {
  const std::size_t before = bed.upstream.count;
  bed.ask(name, type);
  if (bed.upstream.count != before) {
    bed.upstream.answer({address(std::string(name), "93.184.216.34")});
    bed.got.clear();
    return false;
  }
  const Answer answer = bed.take();
  CHECK(answer.valid);
  CHECK(answer.rcode == rcode::nxdomain);
  CHECK(answer.records.at(0).type == type::soa);
  return true;
}

}  // namespace

TEST_CASE("below a name that does not exist nothing is asked for, of whatever type") {
  Bed bed;
  bed.ask("gone.example");
  deny(bed, true);
  CHECK(bed.take().rcode == rcode::nxdomain);
  CHECK(is_cut(bed, "gone.example", type::aaaa));
  CHECK(is_cut(bed, "a.b.gone.example"));
  CHECK(is_cut(bed, "WWW.Gone.example", type::mx));
  CHECK_FALSE(is_cut(bed, "xgone.example"));
  CHECK_FALSE(is_cut(bed, "example"));
  bed.pass(100s);
  bed.ask("x.gone.example");
  CHECK(bed.take().records.at(0).ttl == 200);
  bed.pass(201s);
  CHECK_FALSE(is_cut(bed, "a.gone.example"));
}

TEST_CASE("a denial that nobody validated holds for its own question only") {
  Bed bed;
  bed.ask("gone.example");
  deny(bed, false);
  CHECK(bed.take().rcode == rcode::nxdomain);
  CHECK_FALSE(is_cut(bed, "a.gone.example"));
  CHECK_FALSE(is_cut(bed, "gone.example", type::mx));
}

TEST_CASE("what is not about the very name cuts nothing") {
  Bed bed;
  bed.ask("alias.example");
  deny(bed, true, {cname("alias.example", "gone.example"), soa("example", 600, 300)});
  CHECK(bed.take().rcode == rcode::nxdomain);
  CHECK_FALSE(is_cut(bed, "a.alias.example"));
  CHECK_FALSE(is_cut(bed, "a.gone.example"));
  bed.ask("empty.example");
  deny(bed, true, {soa("example", 600, 300)}, rcode::noerror);
  CHECK(bed.take().rcode == rcode::noerror);
  CHECK_FALSE(is_cut(bed, "a.empty.example"));
}

TEST_CASE("what others were told, a record of ours and another upstream are not cut") {
  dns::Settings settings;
  settings.records = {{"nas.gone.example", "A", "192.168.1.5", 60s}};
  settings.routes = {{"routed.gone.example", {"10.0.0.53"}}};
  Bed bed(settings);
  bed.ask("gone.example");
  deny(bed, true);
  bed.take();
  bed.ask("nas.gone.example");
  CHECK(bed.take().lines == Lines{"nas.gone.example A 60 192.168.1.5"});
  CHECK_FALSE(is_cut(bed, "x.routed.gone.example"));
  bed.ask(query("x.gone.example", type::a, 1, true));  // with DO: whoever validates wants the proof
  CHECK(bed.upstream.open.size() == 1);
  bed.upstream.fail();
  bed.got.clear();
  dns::Policy policy;
  policy.block = {"gone.example"};
  bed.client = &bed.add(policy);
  bed.ask("x.gone.example");
  CHECK(bed.take().lines == Lines{"x.gone.example A 10 0.0.0.0"});
}
