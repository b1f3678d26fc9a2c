// Between a client's question and an answer that is known there is no heap: every allocation of
// this program is counted.
#include "dns/local_zone.hpp"
#include "tests/dns/messages.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/counted_heap.hpp"

using namespace culvert;
using namespace culvert::dns;

namespace {

// Reads the query and answers it from the zone, or with NXDOMAIN and a reason; its size.
std::size_t serve(const LocalZone& zone, base::Bytes message, base::MutableBytes buffer) {
  Query query;
  const QueryFault fault = read_query(message, query);
  if (fault != QueryFault::none) return write_fault(buffer, query, fault).size();
  AnswerWriter writer(buffer, udp_room(query, 1232), query);
  Name outside;
  if (zone.holds(query.question.name) != LocalZone::Kind::no) {
    zone.answer(writer, query.question.name, query.question.type, outside);
  } else {
    writer.set_rcode(rcode::nxdomain);
    writer.add_soa(query.question.name, 10);
    writer.set_error(ede::blocked, "blocked by a list of a rather long name");
  }
  const base::Bytes answer = writer.finish();
  MessageReader reader(answer);
  Record record;
  std::array<std::byte, 2048> room;
  std::size_t records = 0;
  while (reader.next(record)) records += read_rdata(reader, record, room).has_value();
  return records != 0 ? answer.size() : 0;
}

}  // namespace

TEST_CASE("questions are read and answered without heap") {
  Settings settings;
  settings.records = {{"nas.lan", "A", "192.0.2.1"},
                      {"*.web.lan", "CNAME", "nas.lan"},
                      {"nas.lan", "TXT", std::string(600, 'x')}};
  LocalZone zone(settings, {*base::IpAddress::parse("10.8.0.1")});
  zone.set_peer("laptop", {*base::IpAddress::parse("10.8.0.2")});
  std::vector<test::Octets> queries;
  for (const char* const each :
       {"www.example.com", "nas.lan", "a.web.lan", "laptop.culvert.internal", "x.localhost",
        "2.0.8.10.in-addr.arpa", "9.10.in-addr.arpa", "nobody.culvert.internal", "x.onion"})
    for (const std::uint16_t type : {type::a, type::txt, type::ptr, type::any, type::soa})
      queries.push_back(test::query(each, type, 1232));
  queries.push_back(test::octets("1234 0100 0002 0000 0000 0000"));
  std::array<std::byte, 4096> buffer;
  for (const test::Octets& query : queries) serve(zone, query, buffer);

  const std::size_t before = culvert::test::heap_allocations();
  std::size_t octets = 0;
  for (const test::Octets& query : queries) octets += serve(zone, query, buffer);
  const std::size_t after = culvert::test::heap_allocations();
  CHECK(before > 0);
  CHECK(after == before);
  CHECK(octets > 20 * queries.size());
}
