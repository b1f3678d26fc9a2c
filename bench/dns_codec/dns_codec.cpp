// What reading a question and writing its answer costs: ns a call, the best of several rounds. The
// questions are of different names, as they come from clients.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "dns/local_zone.hpp"
#include "dns/message_writer.hpp"
#include "dns/rdata.hpp"

namespace {

using namespace culvert;
using namespace culvert::dns;
using Clock = std::chrono::steady_clock;

constexpr std::size_t questions = 256;
volatile std::size_t sink;  // what is computed is used

template <class Call>
void measure(const char* what, Call call) {
  double best = 1e18;
  for (int round = 0; round < 2000; ++round) {  // short ones: some are not interrupted
    const auto start = Clock::now();
    for (std::size_t i = 0; i < 4 * questions; ++i) sink = sink + call(i % questions);
    const double total = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
    best = std::min(best, total / (4 * questions));
  }
  std::printf("%-44s %6.1f ns\n", what, best);
}

std::vector<std::vector<std::byte>> make_queries() {
  std::vector<std::vector<std::byte>> out;
  for (std::size_t i = 0; i < questions; ++i) {
    const std::string text =
        "host" + std::to_string(i * 7919) + ".Service.example" + std::to_string(i % 10) + ".com";
    const Name name = *Name::parse(text);
    std::vector<std::byte> query(512);
    query.resize(
        write_query(query, std::uint16_t(i), name.wire(), type::a, class_::in, false, false, 0));
    out.push_back(std::move(query));
  }
  return out;
}

void measure_codec(const std::vector<std::vector<std::byte>>& queries) {
  std::vector<Query> read(questions);
  std::vector<std::vector<std::byte>> answers(questions);
  std::array<std::byte, 4096> buffer;
  const base::IpAddress address = *base::IpAddress::parse("192.0.2.1");
  for (std::size_t i = 0; i < questions; ++i) {
    if (read_query(queries[i], read[i]) != QueryFault::none) std::abort();
    AnswerWriter writer(buffer, 1232, read[i]);
    writer.add_address(read[i].question.name, address, 60);
    const base::Bytes answer = writer.finish();
    answers[i].assign(answer.begin(), answer.end());
  }
  Query query;
  measure("read a query with OPT",
          [&](std::size_t i) { return std::size_t(read_query(queries[i], query)); });
  measure("write an answer with one address", [&](std::size_t i) {
    AnswerWriter writer(buffer, 1232, read[i]);
    writer.add_address(read[i].question.name, address, 60);
    return writer.finish().size();
  });
  measure("write NXDOMAIN with SOA and a reason", [&](std::size_t i) {
    AnswerWriter writer(buffer, 1232, read[i]);
    writer.set_rcode(rcode::nxdomain);
    writer.add_soa(read[i].question.name, 10);
    writer.set_error(ede::blocked, "blocked by the list of ads");
    return writer.finish().size();
  });
  measure("walk an answer, its RDATA checked", [&](std::size_t i) {
    MessageReader reader(answers[i]);
    Record record;
    std::size_t records = 0;
    while (reader.next(record)) records += read_rdata(reader, record, buffer).has_value();
    return records;
  });
  measure("hash a name", [&](std::size_t i) { return NameHash()(read[i].question.name); });
}

void measure_zone() {
  Settings settings;
  LocalZone zone(settings, {*base::IpAddress::parse("10.8.0.1")});
  std::vector<Name> public_names, peers;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    const std::string name = "peer" + std::to_string(i);
    zone.set_peer(name, {base::IpAddress::v4(0x0a080002 + i)});
    if (peers.size() < questions) peers.push_back(*Name::parse(name + ".culvert.internal"));
    if (public_names.size() < questions)
      public_names.push_back(*Name::parse("www." + name + ".com"));
  }
  measure("local zone, 10,000 peers: a name outside",
          [&](std::size_t i) { return std::size_t(zone.holds(public_names[i])); });
  measure("local zone, 10,000 peers: a peer's name",
          [&](std::size_t i) { return std::size_t(zone.holds(peers[i])); });
}

}  // namespace

int main() {
  measure_codec(make_queries());
  measure_zone();
}
