// Questions under way upstream and who waits for them.
#include <algorithm>
#include <cstring>

#include "dns/resolver_impl.hpp"

namespace culvert::dns {
namespace {

using How = QueryRecord::How;

constexpr std::uint32_t longest_failure = 300;  // seconds (RFC 9520 section 3.2)
constexpr std::uint32_t longest_silence = 8;    // where nobody answered: the network may be back

// How long a failure is believed, the longer the more there were in a row.
std::uint32_t backoff(std::uint8_t failures, bool answered) noexcept {
  const std::uint32_t doubled = 1u << std::min<unsigned>(failures, 12);
  return std::min(doubled, answered ? longest_failure : longest_silence);
}

}  // namespace

StoredQuery::StoredQuery(const Query& query) noexcept : query_(query) {
  const base::Bytes name = query.question.name_sent;
  std::copy(name.begin(), name.end(), name_.begin());
  if (query_.edns) query_.edns->options = {};
  query_.question.name_sent = {};
}

const Query& StoredQuery::get() noexcept {
  query_.question.name_sent = base::Bytes(name_).first(query_.question.name.size());
  return query_;
}

Pending* Resolver::Impl::pending_of(const CacheKey& key) noexcept {
  if (pending_.empty()) return nullptr;
  const auto found = pending_.find(key);
  return found == pending_.end() ? nullptr : found->second.get();
}

void Resolver::Impl::wait_for(const Call& call, const Job& job, Pending* pending) {
  const LimitSettings& limits = settings_.limits;
  const std::uint64_t total = limits.in_flight_total / std::max(parts_.workers, 1u);
  Outcome refused{How::refused, {}, 0};
  if ((limits.in_flight != 0 && call.client.in_flight >= limits.in_flight) ||
      (limits.in_flight_total != 0 && waiting_ >= std::max<std::uint64_t>(total, 1))) {
    parts_.counters.in_flight_limited.add();
    refused.verdict.reason = Reason::in_flight;
    return give_error(call, rcode::servfail, ede::prohibited, "too many questions under way",
                      refused);
  }
  if (pending == nullptr) {
    if (limits.forwarded_per_second != 0 && !call.client.forwarded.try_take(1, call.now)) {
      parts_.counters.rate_limited.add();
      refused.verdict.reason = Reason::rate;
      return give_error(call, rcode::refused, ede::prohibited, "too many questions", refused);
    }
    pending = &start(job.key, call.now);
    parts_.counters.forwarded.add();
  } else {
    parts_.counters.coalesced.add();
  }
  pending->waiters.push_back(
      {&call.client, call.asker, StoredQuery(call.query), job, call.client.stamp, call.asked});
  ++call.client.in_flight;
  ++waiting_;
}

void Resolver::Impl::prefetch(const CacheKey& key, base::Time now) {
  if (prefetching_ >= most_prefetches || pending_of(key) != nullptr) return;
  start(key, now).prefetch = true;
  ++prefetching_;
  parts_.counters.prefetched.add();
}

Pending& Resolver::Impl::start(const CacheKey& key, base::Time now) {
  auto made = std::make_unique<Pending>();
  Pending& pending = *made;
  pending.id = ++next_id_;
  pending.key = key;
  pending.era = era_;
  pending_.emplace(key, std::move(made));
  pending_by_id_.emplace(pending.id, &pending);
  parts_.counters.in_flight.set(pending_.size());
  late_.push_back({now + settings_.cache.stale_after, pending.id});
  timeouts_.push_back({now + Asking::timeout, pending.id});
  Asking::Ask what;
  what.name = &pending.key.name;
  what.type = key.type;
  what.class_ = key.class_;
  what.dnssec_ok = key.dnssec_ok;
  what.checking_disabled = key.checking_disabled;
  what.set = set_at(key.set);
  upstreams_.ask(what,
                 [this, id = pending.id](const Asking::Reply& reply) { on_reply(id, reply); });
  return pending;
}

// Out of what is under way: from here on an equal question is asked anew. Null: it is not there, or
// no more.
std::unique_ptr<Pending> Resolver::Impl::take(std::uint64_t id) noexcept {
  const auto found = pending_by_id_.find(id);
  if (found == pending_by_id_.end()) return nullptr;
  auto node = pending_.extract(found->second->key);
  pending_by_id_.erase(found);
  if (node.mapped()->prefetch) --prefetching_;
  parts_.counters.in_flight.set(pending_.size());
  while (!late_.empty() && !pending_by_id_.contains(late_.front().id)) late_.pop_front();
  while (!timeouts_.empty() && !pending_by_id_.contains(timeouts_.front().id))
    timeouts_.pop_front();
  return std::move(node.mapped());
}

// The question was sent in letters of random case (RFC 5452 section 9.2), and names of the answer
// may point to it: nobody is to see these letters, nor are they to be kept.
base::Bytes Resolver::Impl::in_lower_case(base::Bytes message, const Name& name) noexcept {
  Name asked;
  const bool fits = message.size() >= header_size + name.size() && message.size() <= max_message &&
                    Name::read(message.subspan(header_size), asked) != 0 && asked == name;
  if (!fits) return message;
  std::memcpy(copy_.get(), message.data(), message.size());
  std::memcpy(copy_.get() + header_size, name.wire().data(), name.size());
  return {copy_.get(), message.size()};
}

void Resolver::Impl::on_reply(std::uint64_t id, const Asking::Reply& reply) noexcept {
  const std::unique_ptr<Pending> pending = take(id);
  if (!pending) return;
  const base::Time now = parts_.now();
  if (reply.message.empty()) return fail(*pending, rcode::servfail, reply.error, now);
  const CacheKey& key = pending->key;
  clean_answer(in_lower_case(reply.message, key.name),
               {key.name, key.type, key.class_, key.dnssec_ok, reply.authenticated},
               {clean_bytes_.get(), max_message}, clean_);
  if (!clean_.ok() || clean_.truncated)
    return fail(*pending, rcode::servfail, ede::network_error, now);
  AnswerImage image = make_image({clean_bytes_.get(), clean_.message.size()}, clean_, clamps_);
  image.authentic =
      reply.authenticated && (std::to_integer<unsigned>(clean_.message[3]) & 0x20) != 0;
  if (image.failure) {
    // The client's question was well formed, and EDNS with the upstream is our own.
    const bool ours = image.rcode == rcode::formerr || image.rcode >= 16;
    return fail(*pending, ours ? rcode::servfail : image.rcode, image.error, now);
  }
  CacheEntry* entry = nullptr;
  // What upstreams say that were replaced meanwhile is for who asked them.
  if (image.lifetime != 0 && pending->era == era_) {
    note_denial(key, image, now);
    entry = cache_.store(key, image, now);
  }
  show_cache();
  Outcome outcome{How::forwarded, {}, reply.upstream};
  give_all(*pending, image, entry, {}, outcome, now);
}

// The upstream is slow: who waits gets what was known before, and the question goes on alone
// (RFC 8767 section 5).
void Resolver::Impl::on_late(std::uint64_t id, base::Time now) noexcept {
  const auto found = pending_by_id_.find(id);
  if (found == pending_by_id_.end()) return;
  Pending& pending = *found->second;
  CacheEntry* const entry = cache_.find(pending.key);
  if (entry == nullptr || !usable_stale(*entry, now)) return;
  pending.late = true;
  Pending waiting;
  waiting.key = pending.key;
  waiting.waiters.swap(pending.waiters);
  give_all(waiting, entry->image(), entry, {}, {How::stale, {}, 0}, now);
}

void Resolver::Impl::fail(Pending& pending, std::uint16_t rcode, std::uint16_t error,
                          base::Time now) {
  const bool answered = error != ede::no_reachable_authority && error != ede::network_error;
  CacheEntry* entry = cache_.find(pending.key);
  const std::uint8_t before = entry == nullptr ? std::uint8_t(0) : entry->failures;
  const auto failures = std::uint8_t(std::min(before + 1, 255));
  const std::uint32_t wait = backoff(before, answered);
  if (entry != nullptr && (entry->fresh(now) || usable_stale(*entry, now)) && !entry->failure()) {
    entry->failures = failures;
    entry->retry_at = now + std::chrono::seconds(wait);
    return give_all(pending, entry->image(), entry, {}, {How::stale, {}, 0}, now);
  }
  const CacheKey& key = pending.key;
  AnswerImage image =
      make_failure({clean_bytes_.get(), max_message}, key.name, key.type, key.class_, rcode, error);
  image.lifetime = wait;
  entry = cache_.store(key, image, now);
  if (entry != nullptr) entry->failures = failures;
  show_cache();
  give_all(pending, image, entry, {}, {How::failed, {}, 0}, now);
}

// To all who wait. Where the rules, the policy or the client's hours changed since it asked, the
// question is judged anew: now it is a hit.
void Resolver::Impl::give_all(Pending& pending, const AnswerImage& image, CacheEntry* entry,
                              ImageUse use, const Outcome& outcome, base::Time now) {
  const base::WallTime wall = parts_.wall();
  for (Waiter& waiter : pending.waiters) {
    leave(waiter);
    const Call call{*waiter.client, waiter.asker, waiter.query.get(), now, waiter.asked, wall};
    const std::uint64_t stamp = waiter.stamp;
    touch(*waiter.client, wall);
    if (waiter.client->stamp != stamp) {
      serve(call);
    } else if (outcome.how == How::stale) {
      give_stale(call, waiter.job, *entry);
    } else {
      Outcome its = outcome;
      its.verdict = waiter.job.verdict;
      give(call, waiter.job, image, entry, use, its);
    }
  }
  pending.waiters.clear();
}

void Resolver::Impl::leave(const Waiter& waiter) noexcept {
  --waiter.client->in_flight;
  --waiting_;
}

}  // namespace culvert::dns
