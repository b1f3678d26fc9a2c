// A query from its octets to what is to be done with it.
#include <algorithm>

#include "dns/resolver_impl.hpp"

namespace culvert::dns {
namespace {

using How = QueryRecord::How;

// Types that mean something else than records of that type (RFC 6895 section 3.1): transfers,
// signatures of messages, OPT. ANY is not among them.
bool is_meta(std::uint16_t type) noexcept {
  return type == 0 || type == type::opt || (type >= 128 && type < type::any);
}

// Names of class CH by which a server tells of itself (RFC 4892).
bool tells_of_server(const Name& name) noexcept {
  static const auto names = {*Name::parse("version.bind"), *Name::parse("version.server"),
                             *Name::parse("hostname.bind"), *Name::parse("id.server")};
  for (const Name& known : names)
    if (known == name) return true;
  return false;
}

constexpr char server_text[] = "\7culvert";
constexpr char any_hinfo[] = "\7RFC8482";  // and an empty OS: the root's octet of the literal
constexpr std::uint32_t any_ttl = 3600;

}  // namespace

void Resolver::Impl::ask(ClientState& client, const Asker& asker, base::Bytes message) noexcept {
  Query query;
  const QueryFault fault = read_query(message, query);
  const bool tcp = asker.key.protocol == base::Protocol::tcp;
  (tcp ? parts_.counters.queries_tcp : parts_.counters.queries_udp).add();
  if (client.config.policy->log != LogPrivacy::off) client.counters.dns_queries.add();
  if (fault != QueryFault::none) {
    parts_.counters.malformed.add();
    const base::Bytes answer = write_fault(out(), query, fault);
    return answer.empty() ? events_.no_answer(asker) : events_.answer(asker, answer);
  }
  const base::Time now = parts_.now();
  serve({client, asker, query, now, now, parts_.wall()});
}

// Called for a query when it comes, and once more if the rules changed while it waited.
void Resolver::Impl::serve(const Call& call) {
  if (serve_odd(call)) return;
  touch(call.client, call.wall);
  const NamePath path = filter_.expect(call.client, call.name());
  const LocalZone::Kind kind = zone_.holds(call.name());
  if (kind != LocalZone::Kind::no) return serve_local(call, kind);
  Verdict verdict = filter_.of_question(call.client, path, call.type(), call.wall);
  if (verdict.is_block() && !(call.tcp() && passes_over_tcp(verdict)))
    return give_block(call, verdict);
  if (waits_for_rules(call, verdict)) return serve_not_ready(call);
  if (verdict.what == Verdict::What::rewrite) return serve_led(call);
  if (call.type() == type::any) return serve_any(call);
  note_route(call.name(), verdict);
  look_up(call, {Way::direct, verdict, key_of(call, call.name(), verdict)});
}

// Would a list have a say whose rules have not come yet?
bool Resolver::Impl::waits_for_rules(const Call& call, const Verdict& verdict) const noexcept {
  if (awaited_.empty() || call.client.paused || verdict.reason == Reason::peer_allow) return false;
  const Policy& policy = *call.client.config.policy;
  const auto any_awaited = [this](const std::vector<std::string>& lists) {
    return std::ranges::find_first_of(lists, awaited_) != lists.end();
  };
  return any_awaited(policy.lists) ||
         std::ranges::any_of(policy.schedules, any_awaited, &Schedule::lists);
}

void Resolver::Impl::serve_not_ready(const Call& call) {
  parts_.counters.failed.add();
  give_error(call, rcode::servfail, ede::not_ready, "the lists are not compiled yet",
             {How::failed, {}, 0});
}

// What no upstream is asked for and no rule is about.
bool Resolver::Impl::serve_odd(const Call& call) {
  const std::uint16_t class_asked = call.query.question.class_;
  if (class_asked == class_::in && !is_meta(call.type())) return false;
  if (class_asked == class_::chaos && tells_of_server(call.name()) &&
      (call.type() == type::txt || call.type() == type::any)) {
    AnswerWriter writer(out(), room_of(call), call.query);
    writer.add(AnswerWriter::Section::answer, call.name(), type::txt, 0,
               std::as_bytes(std::span(server_text).first(sizeof server_text - 1)));
    send(call, writer.finish(), {How::local, {}, 0});
  } else {
    give_error(call, rcode::refused, ede::not_supported, {}, {How::refused, {}, 0});
  }
  return true;
}

// RFC 8482 section 4.2.
void Resolver::Impl::serve_any(const Call& call) {
  AnswerWriter writer(out(), room_of(call), call.query);
  writer.add(AnswerWriter::Section::answer, call.name(), type::hinfo, any_ttl,
             std::as_bytes(std::span(any_hinfo)));
  parts_.counters.local.add();
  send(call, writer.finish(), {How::local, {}, 0});
}

void Resolver::Impl::serve_local(const Call& call, LocalZone::Kind kind) {
  Outcome outcome{How::local, {}, 0};
  outcome.verdict.what = Verdict::What::local;
  outcome.verdict.reason =
      kind == LocalZone::Kind::record ? Reason::local_record : Reason::special_name;
  AnswerWriter writer(out(), room_of(call), call.query);
  Name outside;
  zone_.answer(writer, call.name(), call.type(), outside);
  if (!outside.is_root()) return serve_led(call);
  parts_.counters.local.add();
  send(call, writer.finish(), outcome);
}

CacheKey Resolver::Impl::key_of(const Call& call, const Name& name, const Verdict& verdict) {
  return {name,
          call.type(),
          call.query.question.class_,
          set_of(call, name, verdict),
          call.query.edns && call.query.edns->dnssec_ok,
          call.query.header.checking_disabled};
}

// Whom to ask: as the rule says, or the route with the longest domain, or the policy.
std::uint32_t Resolver::Impl::set_of(const Call& call, const Name& name, const Verdict& verdict) {
  if (verdict.what == Verdict::What::forward && verdict.rule != nullptr) {
    const auto known = forwards_.find(verdict.rule);
    if (known != forwards_.end()) return known->second;
    return forwards_[verdict.rule] = set_number({verdict.rule->upstream});
  }
  if (const std::uint32_t* const route = route_of(name)) return *route;
  return route_of_rest_.value_or(call.client.set);
}

const std::uint32_t* Resolver::Impl::route_of(const Name& name) const noexcept {
  if (routes_.empty()) return nullptr;
  for (Name at = name; !at.is_root(); at = at.parent())
    if (const auto route = routes_.find(at); route != routes_.end()) return &route->second;
  return nullptr;
}

// Inspection lets private addresses pass where somebody said whom to ask.
void Resolver::Impl::note_route(const Name& name, Verdict& verdict) const noexcept {
  if (verdict.what == Verdict::What::pass && route_of(name) != nullptr)
    verdict.what = Verdict::What::forward;
}

void Resolver::Impl::look_up(const Call& call, const Job& job) {
  CacheEntry* const entry = cache_.find(job.key);
  if (entry != nullptr && entry->fresh(call.now)) return give_hit(call, job, *entry);
  if (job.way == Way::direct)
    if (const CacheEntry* const denial = find_denial(job.key, call.now))
      return give_denial(call, job, *denial);
  if (!call.query.header.recursion_desired)
    return give_error(call, rcode::refused, AnswerImage::no_error, {}, {How::refused, {}, 0});
  Pending* const pending = pending_of(job.key);
  if (entry != nullptr && usable_stale(*entry, call.now) &&
      (call.now < entry->retry_at || (pending != nullptr && pending->late)))
    return give_stale(call, job, *entry);
  wait_for(call, job, pending);
}

void Resolver::Impl::touch(ClientState& client, base::WallTime wall) noexcept {
  const base::PeerControls* const controls = client.config.controls;
  const std::uint64_t schedules = controls ? controls->dns_schedules.get() : 0;
  const std::uint64_t until = controls ? controls->dns_paused_until.get() : 0;
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(wall.time_since_epoch()).count();
  const bool paused = until != 0 && std::uint64_t(seconds) < until;
  const std::uint64_t generation = filter_.generation();
  if (client.stamp != 0 && client.generation == generation && client.schedules == schedules &&
      client.paused == paused)
    return;
  client.generation = generation;
  client.schedules = schedules;
  client.paused = paused;
  client.stamp = ++next_stamp_;
}

}  // namespace culvert::dns
