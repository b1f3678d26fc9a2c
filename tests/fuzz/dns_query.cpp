// Any octets as a client's query, any octets as what the upstream answers.
//
// The first octet: 1 = over TCP, 2 = the answer is made one to the question, so that what is behind
// the question is reached, 4 = a client whose policy filters and writes everything down. Then the
// query's size in two octets, the query, and the answer.
#include <cstdlib>

#include "base/headers.hpp"
#include "tests/dns/resolver_bed.hpp"

using namespace culvert;
using namespace culvert::test;

namespace {

dns::Policy strict_policy() {
  dns::Policy policy;
  policy.block = {"ads.example", "tracker.example"};
  policy.safe_search = true;
  policy.filter_aaaa = true;
  policy.ech = dns::EchPolicy::strip;
  policy.log = dns::LogPrivacy::full;
  return policy;
}

dns::Settings with_aliases() {
  dns::Settings settings;
  settings.records = {{"alias.home.example", "CNAME", "www.example", 60s},
                      {"search.home.example", "CNAME", "www.google.com", 60s}};
  return settings;
}

void check(bool holds) {
  if (!holds) std::abort();
}

// What goes to a client is well formed, is to its query, and no larger than it takes.
void check_answer(base::Bytes answer, base::Bytes query, bool tcp) {
  check(answer.size() >= dns::header_size && answer[0] == query[0] && answer[1] == query[1]);
  dns::MessageReader reader(answer);
  check(!reader.failed() && reader.header().response);
  for (dns::Record record; reader.next(record);) continue;
  check(reader.at_end());
  dns::Query asked;
  if (dns::read_query(query, asked) != dns::QueryFault::none) return;
  check(tcp || answer.size() <= dns::udp_room(asked, 1232));
  const base::Bytes name = asked.question.name_sent;
  check(answer.size() >= dns::header_size + name.size() + 4);
  check(std::equal(name.begin(), name.end(), answer.begin() + dns::header_size));
}

std::vector<std::byte> to_question(const FakeUpstream::Asked& asked, base::Bytes raw) {
  std::vector<std::byte> message = upstream_answer(asked.name, asked.type, {});
  const std::size_t question_end = dns::header_size + asked.name.size() + 4;
  message.resize(question_end);
  if (raw.size() < 8) return message;
  // RCODE, AD and the counts of records are the input's.
  message[3] = raw[0];
  for (std::size_t i = 6; i < 12; ++i) message[i] = std::byte{0};
  for (std::size_t i = 0; i < 3; ++i) message[7 + 2 * i] = raw[1 + i];
  message.insert(message.end(), raw.begin() + 8, raw.end());
  return message;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Bed bed(with_aliases());
  static dns::Client& open = *bed.client;
  static dns::Client& strict = bed.add(strict_policy());
  if (size < 3 || size > 70000) return 0;
  const base::Bytes input(reinterpret_cast<const std::byte*>(data), size);
  const bool tcp = data[0] & 1, fitting = data[0] & 2;
  const std::size_t query_size = std::min<std::size_t>(base::load_be16(&input[1]), size - 3);
  const base::Bytes query = input.subspan(3, query_size), raw = input.subspan(3 + query_size);

  bed.client = data[0] & 4 ? &strict : &open;
  bed.resolver->flush_cache();
  for (int round = 0; round < 2; ++round) {  // the second time it may be cached
    bed.ask(query, tcp);
    while (!bed.upstream.open.empty()) {
      const FakeUpstream::Asked asked = bed.upstream.take();
      FakeUpstream::reply(
          asked, fitting ? to_question(asked, raw) : std::vector<std::byte>(raw.begin(), raw.end()),
          true);
    }
    check(bed.got.size() <= 1);
    for (const auto& [asker, answer] : bed.got) check_answer(answer, query, tcp);
    check(bed.client->in_flight == 0);
    bed.got.clear();
  }
  bed.pass(10s);
  for (dns::QueryRecord record; bed.ring->pop(record);) continue;
  return 0;
}
