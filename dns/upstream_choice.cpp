#include "dns/upstream_choice.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "dns/upstream_question.hpp"

namespace culvert::dns {
namespace {

using namespace std::chrono_literals;
using Servers = std::vector<std::shared_ptr<Server>>;

constexpr base::Duration repeat_after = 1s;
// How often, at the least, it is looked whether a server that rests is back.
constexpr base::Duration probe_among_others = 60s, probe_alone = 5s;
constexpr base::Duration probe_patience = 100ms;
// Then the fallbacks have the rest of the five seconds.
constexpr base::Duration set_has = 1900ms;
constexpr std::size_t most_places = 64;  // as many as there are bits

bool tried(std::uint64_t mask, std::size_t place) {
  return (mask >> place & 1) != 0;
}
void mark(std::uint64_t& mask, std::size_t place) {
  mask |= std::uint64_t{1} << place;
}

bool may_ask(Server& server) {
  return !server.retired() && !server.figures().resting();
}

// Whether one is waited for that has been answering.
bool waits_well(const OpenQuestion& question) {
  const auto end = question.under_way.begin() + std::ptrdiff_t(question.live);
  return std::any_of(question.under_way.begin(), end,
                     [](const Exchange* each) { return !each->server->figures().resting(); });
}

template <class Use>
void for_untried(const Servers& servers, std::uint64_t mask, Use use) {
  for (std::size_t i = 0; i < std::min(servers.size(), most_places); ++i)
    if (!tried(mask, i)) use(i, *servers[i]);
}

}  // namespace

Server* Choice::next(OpenQuestion& question, Occasion occasion, base::Time now) noexcept {
  if (question.started == OpenQuestion::most_exchanges) return nullptr;
  if (occasion == Occasion::asked && has_another(question))
    if (Server* server = probe(question, now, probe_among_others)) return server;
  if (Server* server = of_two(question, now)) return server;
  if (waits_well(question)) {
    if (occasion == Occasion::failed) return nullptr;
    if (question.set->fallback.empty() || now < question.began + set_has) return again(question);
  }
  if (Server* server = probe(question, now, probe_alone)) return server;
  if (Server* server = fallback(question, now, false)) return server;
  if (question.live > 0) return occasion == Occasion::failed ? nullptr : again(question);
  if (Server* server = fallback(question, now, true)) return server;
  return silent(question);
}

Server* Choice::of_two(OpenQuestion& question, base::Time now) noexcept {
  const Servers& servers = question.set->first;
  std::array<std::uint8_t, most_places> places;
  std::uint32_t count = 0;
  for_untried(servers, question.tried_first, [&](std::size_t i, Server& server) {
    if (may_ask(server)) places[count++] = std::uint8_t(i);
  });
  if (count == 0) return nullptr;
  std::size_t best = places[0];
  if (count > 1) {
    const std::uint32_t one = random_.below(count), other = random_.below(count - 1);
    best = places[one];
    const std::size_t second = places[other < one ? other : other + 1];
    if (servers[second]->figures().score(now) < servers[best]->figures().score(now)) best = second;
  }
  mark(question.tried_first, best);
  return servers[best].get();
}

// The last resort: perhaps it is silent about other names only.
Server* Choice::silent(OpenQuestion& question) noexcept {
  Server* found = nullptr;
  for_untried(question.set->first, question.tried_first, [&](std::size_t i, Server& server) {
    if (found != nullptr || server.retired() || !server.figures().silent()) return;
    found = &server;
    mark(question.tried_first, i);
  });
  return found;
}

// The one that has been waited for longest.
Server* Choice::again(OpenQuestion& question) noexcept {
  const auto end = question.under_way.begin() + std::ptrdiff_t(question.live);
  const auto oldest = std::min_element(
      question.under_way.begin(), end,
      [](const Exchange* a, const Exchange* b) { return a->sent_at < b->sent_at; });
  // Each is asked twice at most.
  Server* const server = (*oldest)->server;
  const auto asked = std::count_if(question.under_way.begin(), end,
                                   [&](const Exchange* e) { return e->server == server; });
  return asked < 2 && !server->retired() ? server : nullptr;
}

Server* Choice::fallback(OpenQuestion& question, base::Time now, bool resting_too) noexcept {
  Server* found = nullptr;
  std::size_t place = 0;
  for_untried(question.set->fallback, question.tried_fallback, [&](std::size_t i, Server& server) {
    if (found != nullptr || server.retired()) return;
    if (!may_ask(server) && !(resting_too && server.figures().may_probe(now, probe_alone))) return;
    found = &server, place = i;
  });
  if (found != nullptr) mark(question.tried_fallback, place);
  return found;
}

Server* Choice::probe(OpenQuestion& question, base::Time now, base::Duration longest) noexcept {
  Server* found = nullptr;
  for_untried(question.set->first, question.tried_first, [&](std::size_t i, Server& server) {
    if (found != nullptr || server.retired() || !server.figures().may_probe(now, longest)) return;
    found = &server;
    mark(question.tried_first, i);
  });
  return found;
}

bool Choice::has_another(const OpenQuestion& question) const noexcept {
  bool found = false;
  const auto look = [&](std::size_t, Server& server) { found = found || may_ask(server); };
  for_untried(question.set->first, question.tried_first, look);
  return found;
}

base::Duration Choice::patience(const OpenQuestion& question, Server& asked) const noexcept {
  if (asked.figures().resting() && (has_another(question) || !question.set->fallback.empty()))
    return std::min(asked.figures().hedge_after(), probe_patience);
  if (question.started > 1 || !has_another(question)) return repeat_after;
  return asked.figures().hedge_after();
}

}  // namespace culvert::dns
