// Both readers over any octets. What the query reader takes is answered and the answer read again;
// the records that the message reader finds are written into a new message and read again: they
// have to be the same.
#include <cstdlib>
#include <vector>

#include "dns/message_writer.hpp"
#include "dns/rdata.hpp"

using namespace culvert;
using namespace culvert::dns;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

bool same(base::Bytes a, base::Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

struct Kept {
  Record record;
  std::vector<std::byte> rdata;
};

// Every record with its RDATA written out; those that are malformed within are left out.
std::vector<Kept> read_all(base::Bytes message, bool& whole) {
  std::vector<Kept> out;
  std::vector<std::byte> room(70'000);
  MessageReader reader(message);
  Record record;
  while (reader.next(record)) {
    require(record.rdata_offset + record.rdata.size() <= message.size());
    require(record.ttl_offset + 6 == record.rdata_offset);
    require(Name::from_wire(record.owner.wire()) == record.owner);
    const auto rdata = read_rdata(reader, record, room);
    if (!rdata || record.type == type::opt) continue;
    require(well_formed_rdata(record.type, *rdata));
    if (out.size() < 300) out.push_back({record, {rdata->begin(), rdata->end()}});
  }
  whole = reader.at_end();
  require(!whole || !reader.failed());
  return out;
}

void check_rewritten(base::Bytes message) {
  bool whole = false;
  const std::vector<Kept> kept = read_all(message, whole);
  Query query;
  MessageReader(message).question(query.question);
  std::vector<std::byte> buffer(max_message);
  AnswerWriter writer(buffer, max_message, query);
  for (const Kept& each : kept)
    writer.add(each.record.section, each.record.owner, each.record.type, each.record.ttl,
               each.rdata);
  const base::Bytes rewritten = writer.finish();
  if (MessageReader(rewritten).header().truncated) return;
  const std::vector<Kept> again = read_all(rewritten, whole);
  require(whole && again.size() == kept.size());
  for (std::size_t i = 0; i < kept.size(); ++i) {
    require(again[i].record.owner == kept[i].record.owner);
    require(again[i].record.section == kept[i].record.section);
    require(again[i].record.type == kept[i].record.type);
    require(again[i].record.ttl == kept[i].record.ttl);
    require(same(again[i].rdata, kept[i].rdata));
  }
}

void check_answer(const Query& query, std::size_t room) {
  std::vector<std::byte> buffer(std::max<std::size_t>(room, 512));
  AnswerWriter writer(buffer, room, query);
  const base::IpAddress address = base::IpAddress::v4(0xc0000201);
  writer.add_address(query.question.name, address, 60);
  writer.add_soa(query.question.name.parent(), 30);
  writer.set_error(ede::blocked, "a list says so");
  const base::Bytes answer = writer.finish();
  require(answer.size() <= std::max<std::size_t>(room, 512));
  MessageReader reader(answer);
  Question question;
  require(reader.question(question));
  require(same(question.name_sent, query.question.name_sent));
  require(question.type == query.question.type && question.class_ == query.question.class_);
  require(reader.header().id == query.header.id && reader.header().response);
  Record record;
  unsigned records = 0;
  while (reader.next(record)) {
    if (record.type == type::opt) require(read_edns(record)->dnssec_ok == query.edns->dnssec_ok);
    ++records;
  }
  require(reader.at_end());
  require(records == (reader.header().truncated ? 0u : 2u) + (query.edns ? 1u : 0u));
}

void check_query(base::Bytes message) {
  Query query;
  const QueryFault fault = read_query(message, query);
  std::byte buffer[512];
  const base::Bytes said = write_fault(buffer, query, fault);
  require(said.empty() == (fault == QueryFault::none || fault == QueryFault::silent));
  if (!said.empty()) {
    MessageReader reader(said);
    Record record;
    while (reader.next(record)) require(record.type == type::opt);
    require(reader.at_end() && reader.header().response);
  }
  if (fault != QueryFault::none) return;
  Option option;
  base::Bytes rest = query.edns ? query.edns->options : base::Bytes();
  while (next_option(rest, option)) {
  }
  require(rest.empty());
  check_answer(query, udp_room(query, 1232));
  const std::size_t size =
      write_query(buffer, 1, query.question.name_sent, query.question.type, query.question.class_,
                  query.edns && query.edns->dnssec_ok, false, 128);
  Query again;
  require(read_query(base::Bytes(buffer).first(size), again) == QueryFault::none);
  require(again.question.name == query.question.name && size % 128 == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::Bytes message = std::as_bytes(std::span(data, size));
  check_query(message);
  check_rewritten(message);
  if (const auto name = Name::from_wire(message)) require(Name::parse(name->to_string()) == *name);
  read_service_binding(message);
  MessageReader reader(message);
  Name name;
  for (std::size_t at = 0; at < std::min<std::size_t>(size, 512); ++at) {
    std::size_t end = 0;
    if (!reader.failed() && reader.read_name(at, size, name, &end))
      require(end > at && end <= size && name.size() <= Name::max_size);
  }
  return 0;
}
