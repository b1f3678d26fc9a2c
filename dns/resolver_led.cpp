// Questions that are led to another name before anybody is asked.
#include "dns/resolver_impl.hpp"

namespace culvert::dns {
namespace {

using How = QueryRecord::How;

}  // namespace

Lead Resolver::Impl::lead_of(const Call& call, AnswerWriter& writer) {
  Lead out = lead(filter_, zone_, call.client, {call.query, call.tcp(), call.wall}, writer);
  note_route(out.name, out.verdict);
  return out;
}

void Resolver::Impl::serve_led(const Call& call) {
  AnswerWriter writer(out(), room_of(call), call.query);
  const Lead led = lead_of(call, writer);
  if (led.end == Lead::End::refuse) return give_refused(call, led.verdict);
  if (led.end == Lead::End::ask)
    return look_up(call, {Way::led, led.why, key_of(call, led.name, led.verdict)});
  if (led.rewritten)
    count_verdict(call, led.why);
  else
    parts_.counters.local.add();
  send(call, writer.finish(), {led.rewritten ? How::rewritten : How::local, led.why, 0});
}

// Behind what lead() writes. AD is never told: the answer is not the zone's.
void Resolver::Impl::give_behind(const Call& call, const Job& job, const AnswerImage& image,
                                 const CacheEntry* entry, ImageUse use, Outcome outcome) {
  AnswerWriter writer(out(), room_of(call), call.query);
  const Lead led = lead_of(call, writer);
  // Names of peers change without a new stamp.
  if (led.end != Lead::End::ask || !(key_of(call, led.name, led.verdict) == job.key))
    return serve(call);
  if (!has_passed(call, entry)) {
    const Verdict verdict = inspect(filter_, call.client, led.name, call.type(), led.verdict,
                                    image.wire, call.wall, led.silent);
    if (verdict.what != Verdict::What::pass && !(call.tcp() && passes_over_tcp(verdict)))
      return give_refused(call, verdict);
  }
  const Policy& policy = *call.client.config.policy;
  base::MutableBytes records = copy_image({copy_.get(), max_message}, image, use);
  if (image.bindings && wants_tailoring(policy))
    records = records.first(tailor_answer(records, policy));
  append_records(writer, records);
  writer.set_rcode(image.rcode);
  if (led.rewritten) {
    count_verdict(call, led.why);
    outcome.how = How::rewritten;
  } else if (use.error != AnswerImage::no_error) {
    writer.set_error(use.error, {});
  }
  send(call, writer.finish(), outcome);
}

// What the question leads to is not for this client.
void Resolver::Impl::give_refused(const Call& call, const Verdict& verdict) {
  if (call.client.config.policy->log != LogPrivacy::off) parts_.counters.blocked_by_answer.add();
  give_block(call, verdict);
}

}  // namespace culvert::dns
