// Any octets as the answer of an upstream: what is made of them is a well-formed answer to the
// question, judged and tailored without reading anything outside.
#include <array>
#include <cstdlib>
#include <memory>

#include "base/headers.hpp"
#include "dns/inspection.hpp"

using namespace culvert;
using namespace culvert::dns;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

struct World {
  World() : filter(Settings()) {
    Policy policy;
    policy.block = {"tracker.example", "=www.example.com"};
    policy.ech = EchPolicy::strip;
    policy.filter_aaaa = true;
    policy.safe_search = true;
    ClientConfig config;
    config.policy = std::make_shared<const Policy>(policy);
    client = std::make_unique<Client>(config, counters, LimitSettings(), base::Time{});
  }
  Filter filter;
  base::PeerCounters counters;
  std::unique_ptr<Client> client;
};

// Every record of a clean message, and nothing behind them.
std::size_t walk(base::Bytes message) {
  MessageReader reader(message);
  Record record;
  std::size_t records = 0;
  while (reader.next(record)) ++records;
  require(reader.at_end());
  return records;
}

void check(const CleanAnswer& clean, const CleanAsk& ask) {
  require(walk(clean.message) == clean.records && clean.records <= max_answer_records);
  MessageReader reader(clean.message);
  Question question;
  require(reader.question(question) && question.name == ask.name && question.type == ask.type);
  Record record;
  for (std::size_t i = 0; reader.next(record); ++i) require(record.ttl_offset == clean.ttl_at[i]);
}

// Cleaned again it stays what it is.
void check_again(const CleanAnswer& clean, const CleanAsk& ask) {
  static std::array<std::byte, max_message> buffer;
  static CleanAnswer again;
  if (clean.rcode > 15 || clean.truncated) return;
  clean_answer(clean.message, ask, buffer, again);
  require(again.ok() && again.records == clean.records && again.negative == clean.negative &&
          again.ttl == clean.ttl && again.message.size() == clean.message.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  static std::array<std::byte, max_message> buffer, copy;
  static CleanAnswer clean;
  if (size < 1) return 0;
  const unsigned flags = data[0];
  const base::Bytes answer = std::as_bytes(std::span(data + 1, size - 1));
  MessageReader reader(answer);
  Question question;
  if (!reader.question(question)) question.name = Name();
  const CleanAsk ask{question.name, question.type, question.class_, (flags & 1) != 0,
                     (flags & 2) != 0};
  const std::size_t room = (flags & 4) != 0 ? 512 : buffer.size();
  clean_answer(answer, ask, std::span(buffer).first(room), clean);
  if (!clean.ok()) return 0;
  check(clean, ask);
  check_again(clean, ask);
  const base::WallTime now{std::chrono::seconds(1)};
  const Verdict asked = world.filter.of_question(*world.client, ask.name, ask.type, now);
  inspect(world.filter, *world.client, ask.name, ask.type, asked, clean.message, now);
  std::copy(clean.message.begin(), clean.message.end(), copy.begin());
  const std::size_t tailored =
      tailor_answer(std::span(copy).first(clean.message.size()), *world.client->config.policy);
  require(tailored <= clean.message.size());
  walk(base::Bytes(copy).first(tailored));
  return 0;
}
