// What is known, as the answer to a query.
#include <algorithm>

#include "dns/resolver_impl.hpp"

namespace culvert::dns {
namespace {

using How = QueryRecord::How;

constexpr std::uint32_t stale_ttl = 30;         // RFC 8767 section 5
constexpr std::uint16_t popular = 3;            // hits
constexpr std::uint32_t least_prefetched = 10;  // seconds of TTL
constexpr std::size_t udp_most = 1232;          // RFC 9715
constexpr std::size_t ip_and_udp = 48;

}  // namespace

std::size_t Resolver::Impl::room_of(const Call& call) const noexcept {
  if (call.tcp()) return max_message;
  return udp_room(call.query, std::min(udp_most, parts_.mtu - ip_and_udp));
}

void Resolver::Impl::give_hit(const Call& call, const Job& job, CacheEntry& entry) {
  parts_.counters.cached.add();
  if (entry.hits < 0xffff) ++entry.hits;
  const AnswerImage image = entry.image();
  ImageUse use;
  use.elapsed = entry.elapsed(call.now);
  const std::uint32_t left = image.lifetime - std::min(image.lifetime, use.elapsed);
  if (settings_.cache.prefetch && left < image.lifetime / 10 && entry.hits >= popular &&
      image.lifetime >= least_prefetched && !image.failure && call.now >= entry.retry_at)
    prefetch(job.key, call.now);
  give(call, job, image, &entry, use, {How::cached, job.verdict, 0});
}

void Resolver::Impl::give_stale(const Call& call, const Job& job, CacheEntry& entry) {
  parts_.counters.stale.add();
  const AnswerImage image = entry.image();
  ImageUse use;
  use.ttl = stale_ttl;
  use.error = image.rcode == rcode::nxdomain ? ede::stale_nxdomain : ede::stale_answer;
  give(call, job, image, &entry, use, {How::stale, job.verdict, 0});
}

bool Resolver::Impl::usable_stale(const CacheEntry& entry, base::Time now) const noexcept {
  return !entry.failure() && now < entry.expires() + settings_.cache.max_stale;
}

void Resolver::Impl::give(const Call& call, const Job& job, const AnswerImage& image,
                          CacheEntry* entry, ImageUse use, Outcome outcome) {
  if (image.failure) {
    parts_.counters.failed.add();
    outcome.how = How::failed;
  }
  if (use.error == AnswerImage::no_error) use.error = image.error;
  if (image.failure && job.way != Way::direct)
    return give_error(call, image.rcode, use.error, {}, outcome);
  if (job.way != Way::direct) return give_behind(call, job, image, entry, use, outcome);
  if (!image.failure && !passes_inspection(call, job, image, entry)) return;
  const Policy& policy = *call.client.config.policy;
  // RFC 6840 section 5.7: AD is told only to who asked for it, by AD or DO.
  const bool wants =
      call.query.header.authentic_data || (call.query.edns && call.query.edns->dnssec_ok);
  use.authentic = image.authentic && wants;
  if (image.bindings && wants_tailoring(policy)) use.tailor = &policy;
  send(call, write_image(out(), room_of(call), call.query, image, use), outcome);
}

// Was the entry found to be for this client before?
bool Resolver::Impl::has_passed(const Call& call, const CacheEntry* entry) noexcept {
  const std::uint64_t stamp = call.client.stamp;
  return entry != nullptr && (entry->passed[0] == stamp || entry->passed[1] == stamp);
}

// May this client have the answer? If not, it is told so.
bool Resolver::Impl::passes_inspection(const Call& call, const Job& job, const AnswerImage& image,
                                       CacheEntry* entry) {
  if (has_passed(call, entry)) return true;
  const Verdict verdict =
      inspect(filter_, call.client, call.name(), call.type(), job.verdict, image.wire, call.wall);
  if (verdict.what != Verdict::What::pass) {
    if (call.tcp() && passes_over_tcp(verdict)) return true;  // but not over UDP
    give_refused(call, verdict);
    return false;
  }
  if (entry != nullptr) {
    entry->passed[1] = entry->passed[0];
    entry->passed[0] = call.client.stamp;
  }
  return true;
}

// What a verdict says instead of an answer.
void Resolver::Impl::give_block(const Call& call, const Verdict& verdict) {
  const bool rewrite = !verdict.is_block();
  count_verdict(call, verdict);
  const Outcome outcome{rewrite ? How::rewritten : How::blocked, verdict, 0};
  AnswerWriter writer(out(), room_of(call), call.query);
  switch (
      write_block_answer(writer, call.query, verdict, *call.client.config.policy, table_.get())) {
    case BlockAnswer::drop:
      record(call, outcome, rcode::noerror, {});
      return events_.no_answer(call.asker);
    case BlockAnswer::truncate: {
      const base::Bytes message = writer.finish();
      out_[2] |= std::byte{0x02};  // TC
      return send(call, message, outcome);
    }
    case BlockAnswer::written:
    case BlockAnswer::follow:
      break;
  }
  send(call, writer.finish(), outcome);
}

void Resolver::Impl::give_error(const Call& call, std::uint16_t rcode, std::uint16_t error,
                                std::string_view text, const Outcome& outcome) {
  AnswerWriter writer(out(), room_of(call), call.query);
  writer.set_rcode(rcode);
  if (error != AnswerImage::no_error) writer.set_error(error, text);
  send(call, writer.finish(), outcome);
}

}  // namespace culvert::dns
