#include "dns/upstream_asking.hpp"

#include <algorithm>
#include <utility>

#include "dns/rdata.hpp"

namespace culvert::dns {
namespace {

using namespace std::chrono_literals;

// Unanswered for so long, an exchange counts as a time-out of its server.
constexpr base::Duration too_long = 1s;
constexpr std::uint8_t yxdomain = 6;

std::uint8_t code_of(base::Bytes message) {
  return std::uint8_t(message[3]) & 0x0f;
}

// It says nothing of the name. With YXDOMAIN a DNAME leads nowhere (RFC 6672 section 2.2).
bool is_poor(std::uint8_t code) {
  return code != rcode::noerror && code != rcode::nxdomain && code != yxdomain;
}

// A binding that cannot be read only counts as not there (RFC 9460 section 2.2).
bool matters(const Record& record, std::uint16_t type_asked) {
  if (record.section != Record::Section::answer || record.class_ != class_::in) return false;
  if (record.type == type::cname || record.type == type::dname) return true;
  return record.type == type_asked && type_asked != type::svcb && type_asked != type::https;
}

// All of it can be read, and nothing is left over.
bool is_whole(base::Bytes message, std::uint16_t type_asked) {
  MessageReader reader(message);
  Record record;
  while (reader.next(record))
    if (matters(record, type_asked) && !readable_rdata(reader, record)) return false;
  return reader.at_end();
}

}  // namespace

UpstreamAsker::UpstreamAsker(Parts parts, std::span<UpstreamCounters> counters,
                             const Settings& settings)
    : random_(parts.random),
      around_{parts.poller, random_, *this, parts.tls, parts.source4, parts.source6, parts.now},
      udp_(parts.poller, random_, parts.source4, parts.source6, *this),
      choice_(random_),
      sets_(around_, counters),
      bootstrap_(
          [this](const Name& name, std::uint16_t type, Asking::Done done) {
            begin(questions_.take(), name, type, sets_.bootstrap(), std::move(done));
          },
          [this](Server& server) { resume(server); }, parts.now) {
  sets_.set_settings(settings);
}

UpstreamAsker::~UpstreamAsker() {
  while (OpenQuestion* question = heap_.front()) {
    while (question->live > 0) end(*question->under_way[0]);
    heap_.remove(*question);
    question->done = nullptr, question->set = nullptr;
  }
}

void UpstreamAsker::ask(const Asking::Ask& what, Asking::Done done) {
  OpenQuestion& question = questions_.take();
  question.class_ = what.class_;
  question.dnssec_ok = what.dnssec_ok, question.checking_disabled = what.checking_disabled;
  begin(question, *what.name, what.type, sets_.set(what.set), std::move(done));
}

void UpstreamAsker::begin(OpenQuestion& question, const Name& name, std::uint16_t type,
                          std::shared_ptr<const ServerSet> set, Asking::Done done) {
  const base::Time now = around_.now();
  question.name = name, question.type = type;
  question.set = std::move(set);
  question.done = std::move(done);
  question.began = now, question.next = now + Asking::timeout;
  heap_.push(question);
  go_on(question, Occasion::asked, now);
}

// Puts it to the next server, if there is one to put it to now.
void UpstreamAsker::go_on(OpenQuestion& question, Occasion occasion, base::Time now) noexcept {
  const base::Time last = question.began + Asking::timeout;
  while (Server* server = choice_.next(question, occasion, now)) {
    if (!start(question, *server, now)) {
      occasion = Occasion::failed;
      continue;
    }
    const base::Duration patience = choice_.patience(question, *server);
    heap_.move(question, std::min(now + patience, last));
    return;
  }
  if (question.live == 0)
    give_up(question);
  else if (occasion != Occasion::failed)
    heap_.move(question, std::min(now + too_long, last));
}

// The end is told in the next tick: nobody is called from inside ask().
void UpstreamAsker::give_up(OpenQuestion& question) noexcept {
  question.given_up = true;
  heap_.move(question, question.began);
}

bool UpstreamAsker::start(OpenQuestion& question, Server& server, base::Time now) noexcept {
  if (question.started == OpenQuestion::most_exchanges) return false;
  Exchange& exchange = exchanges_.take();
  exchange.question = &question, exchange.server = &server;
  exchange.sent_at = now;
  exchange.measured = exchange.asked_again = exchange.authenticated = false;
  exchange.flags = {question.dnssec_ok, question.checking_disabled, server.takes_edns(now), 0};
  exchange.sent.type = question.type, exchange.sent.class_ = question.class_;
  ++question.started;
  question.add(exchange);
  server.figures().asked();
  if (launch(exchange)) return true;
  if (server.crowded() || udp_.crowded())
    server.figures().misbehaved();
  else
    server.figures().failed(now);
  question.failure = Failure::network;
  end(exchange);
  return false;
}

// False: it could not leave, and is nowhere. Over a connection that is told later.
bool UpstreamAsker::launch(Exchange& exchange) noexcept {
  Server& server = *exchange.server;
  const base::Time now = around_.now();
  if (server.wants_look_up(now)) bootstrap_.look_up(server.shared_from_this());
  if (!server.has_address()) {
    if (!server.looking_up()) return false;
    exchange.waits_for_address = true;
    server.waiting().push_back(&exchange);
    return true;
  }
  exchange.measured = !exchange.asked_again;
  const bool udp = server.address().kind == UpstreamAddress::Kind::udp;
  set_name(exchange.sent, exchange.question->name, udp && server.mixes_case(now), random_);
  if (!udp) return server.carry(exchange);
  exchange.sent.id = std::uint16_t(1 + random_.below(65535));
  return udp_.send(exchange, server.endpoint()) ||
         (server.next_address() && udp_.send(exchange, server.endpoint()));
}

void UpstreamAsker::resume(Server& server) noexcept {
  const std::vector<Exchange*> waiting = std::exchange(server.waiting(), {});
  for (Exchange* exchange : waiting) exchange->waits_for_address = false;
  for (Exchange* exchange : waiting)
    if (!launch(*exchange)) on_failure(*exchange, Failure::network);
}

// Takes it from where it is.
void UpstreamAsker::leave(Exchange& exchange) noexcept {
  if (exchange.udp != nullptr) udp_.close(exchange);
  if (exchange.carrier != nullptr) exchange.carrier->forget(exchange, around_.now());
  if (std::exchange(exchange.waits_for_address, false))
    std::erase(exchange.server->waiting(), &exchange);
}

void UpstreamAsker::end(Exchange& exchange) noexcept {
  leave(exchange);
  exchange.question->remove(exchange);
  exchange.question = nullptr;
  exchanges_.give_back(exchange);
}

void UpstreamAsker::on_reply(Exchange& exchange, Fit found, base::Bytes message) noexcept {
  Server& server = *exchange.server;
  const base::Time now = around_.now();
  leave(exchange);
  if (found == Fit::yes && !is_whole(message, exchange.sent.type)) {
    server.figures().bogus();
    return on_failure(exchange, Failure::protocol);
  }
  if (found == Fit::yes) return accept(exchange, message);
  if (found == Fit::case_broken) {
    server.figures().bogus();
    server.broke_case(now);
  }
  if (found != Fit::refused_opt) return on_spoofing(exchange);
  exchange.flags.edns = false;
  if (!launch(exchange)) on_failure(exchange, Failure::network);
}

void UpstreamAsker::accept(Exchange& exchange, base::Bytes message) noexcept {
  Server& server = *exchange.server;
  const base::Time now = around_.now();
  server.figures().answered(now);
  if (exchange.measured) server.figures().took(now - exchange.sent_at, now);
  if (exchange.sent.mixed_case) server.kept_case();
  // It answers without OPT what it refused with it.
  if (!exchange.flags.edns && server.takes_edns(now) && code_of(message) != rcode::formerr)
    server.refused_edns(now);
  if (is_poor(code_of(message)) && put_aside(exchange, message, now)) return;
  OpenQuestion& question = *exchange.question;
  const Asking::Reply reply{message, 0, server.place(), exchange.authenticated,
                            now - question.began};
  end(exchange);
  finish(question, reply);
}

// Another may know better; if none does, this is the answer.
bool UpstreamAsker::put_aside(Exchange& exchange, base::Bytes message, base::Time now) noexcept {
  OpenQuestion& question = *exchange.question;
  if (question.live == 1 && !choice_.has_another(question)) return false;
  question.poor.assign(message.begin(), message.end());
  question.poor_from = exchange.server->place();
  question.poor_authenticated = exchange.authenticated;
  end(exchange);
  go_on(question, Occasion::failed, now);
  return true;
}

void UpstreamAsker::finish(OpenQuestion& question, const Asking::Reply& reply) noexcept {
  const base::Time now = around_.now();
  while (question.live > 0) {
    Exchange& late = *question.under_way[0];
    const base::Duration age = now - late.sent_at;
    if (age >= too_long) late.server->figures().timed_out(late.sent_at, now);
    if (late.measured) late.server->figures().slower_than(age, now);
    end(late);
  }
  heap_.remove(question);
  // The slot may be taken again by whoever is told.
  const Asking::Done done = std::exchange(question.done, nullptr);
  const std::vector<std::byte> poor = std::exchange(question.poor, {});  // `reply` may lie in it
  const std::shared_ptr<const ServerSet> set = std::move(question.set);
  question.class_ = class_::in;
  question.dnssec_ok = question.checking_disabled = question.given_up = false;
  question.started = 0, question.tried_first = question.tried_fallback = 0;
  question.failure = Failure::none;
  questions_.give_back(question);
  done(reply);
}

void UpstreamAsker::on_failure(Exchange& exchange, Failure failure) noexcept {
  OpenQuestion& question = *exchange.question;
  const base::Time now = around_.now();
  if (failure == Failure::protocol)
    exchange.server->figures().misbehaved();
  else
    exchange.server->figures().failed(now);
  if (exchange.udp != nullptr) exchange.server->next_address();
  question.failure = failure;
  end(exchange);
  go_on(question, Occasion::failed, now);
}

// Where the answer did not fit or cannot be told from a guess, a connection decides.
void UpstreamAsker::on_spoofing(Exchange& exchange) noexcept {
  leave(exchange);
  exchange.measured = false;
  exchange.sent.mixed_case = false;
  if (!exchange.server->carry(exchange)) on_failure(exchange, Failure::network);
}

void UpstreamAsker::on_lost(Exchange& exchange) noexcept {
  exchange.asked_again = true;
  if (!exchange.server->carry(exchange)) on_failure(exchange, Failure::network);
}

void UpstreamAsker::on_time(OpenQuestion& question, base::Time now) noexcept {
  if (!question.given_up && now < question.began + Asking::timeout) {
    for (std::size_t i = 0; i < question.live; ++i)
      if (Exchange& waiting = *question.under_way[i];
          waiting.carrier != nullptr && now - waiting.sent_at >= too_long)
        waiting.carrier->suspect(waiting.sent_at);
    return go_on(question, Occasion::late, now);
  }
  if (!question.poor.empty())
    return finish(question, {question.poor, 0, question.poor_from, question.poor_authenticated,
                             now - question.began});
  const bool nobody = question.started == 0 && question.set->first.empty();
  const bool network = nobody || question.failure == Failure::network;
  finish(question, {{},
                    network ? ede::network_error : ede::no_reachable_authority,
                    0,
                    false,
                    now - question.began});
}

void UpstreamAsker::tick(base::Time now) noexcept {
  sets_.for_each([&](Server& server) { server.tick(now); });
  while (OpenQuestion* question = heap_.front()) {
    if (question->next > now) return;
    on_time(*question, now);
  }
}

base::Time UpstreamAsker::next_deadline() const noexcept {
  base::Time next = heap_.front() != nullptr ? heap_.front()->next : base::never;
  sets_.for_each([&](Server& server) { next = std::min(next, server.next_deadline()); });
  return next;
}

void UpstreamAsker::flush() noexcept {
  sets_.for_each([](Server& server) { server.flush(); });
  sets_.sweep();
}

}  // namespace culvert::dns
