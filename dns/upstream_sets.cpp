#include "dns/upstream_sets.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/log.hpp"

namespace culvert::dns {
namespace {

using base::Counter;

constexpr std::array<Counter UpstreamCounters::*, 7> fields = {
    &UpstreamCounters::asked,    &UpstreamCounters::answered, &UpstreamCounters::timeouts,
    &UpstreamCounters::failures, &UpstreamCounters::bogus,    &UpstreamCounters::latency,
    &UpstreamCounters::resting};
using Values = std::array<std::uint64_t, fields.size()>;

Values values_of(const UpstreamCounters& counters) {
  Values values{};
  for (std::size_t i = 0; i < fields.size(); ++i) values[i] = (counters.*fields[i]).get();
  return values;
}

void set_values(UpstreamCounters& counters, const Values& values) {
  for (std::size_t i = 0; i < fields.size(); ++i) (counters.*fields[i]).set(values[i]);
}

}  // namespace

void ServerSets::set_settings(const Settings& settings) {
  known_.clear();
  for (const auto& server : servers_)
    known_.push_back({server, values_of(server->figures().counters())});
  servers_.clear();
  for (UpstreamCounters& counters : counters_) {
    set_values(counters, {});
    counters.name.set("");
  }
  encrypted_only_ = settings.encrypted_only;
  numbers_.clear();
  sets_.clear();
  const auto global = std::make_shared<ServerSet>();
  global->first = add(settings.upstream.empty() ? settings.system : settings.upstream);
  global->fallback = add(settings.fallback);
  sets_.push_back(global);
  place_from(0);
  retire_unnamed();
  reset_bootstrap(settings);
}

// Gives servers their places, and what was counted of those that had another.
void ServerSets::place_from(std::size_t first) {
  for (std::size_t i = first; i < servers_.size(); ++i) {
    const auto old = std::find_if(known_.begin(), known_.end(),
                                  [&](const Known& known) { return known.server == servers_[i]; });
    set_values(counters_[i], old == known_.end() ? Values{} : old->values);
    servers_[i]->set_place(std::uint8_t(i), &counters_[i]);
  }
}

// Servers of policies are named again by set_of(); what nobody names is let go.
void ServerSets::retire_unnamed() {
  for (const Known& known : known_) {
    if (std::find(servers_.begin(), servers_.end(), known.server) != servers_.end()) continue;
    known.server->set_retired(true);
    known.server->set_place(0, &uncounted_);
    unlisted_.push_back(known.server);
  }
}

// A server of that address, listed at most once.
std::shared_ptr<Server> ServerSets::listed(const UpstreamAddress& address) {
  for (const auto& server : servers_)
    if (server->address() == address) return server;
  if (servers_.size() == std::min(counters_.size(), max_upstreams)) return nullptr;
  const std::size_t place = servers_.size();
  const auto kept = std::find_if(known_.begin(), known_.end(), [&](const Known& known) {
    return known.server->address() == address;
  });
  if (kept != known_.end()) {
    servers_.push_back(kept->server);
    std::erase(unlisted_, kept->server);
  } else {
    servers_.push_back(std::make_shared<Server>(address, &counters_[place], around_));
  }
  servers_.back()->set_retired(false);
  return servers_.back();
}

ServerSets::Servers ServerSets::add(const std::vector<std::string>& texts) {
  Servers out;
  for (const std::string& text : texts) {
    const auto address = UpstreamAddress::parse(text);
    if (!address) {
      base::log::warn("{}; it is left out", address.error());
      continue;
    }
    // Fail closed: a server in the clear is no server then.
    if (encrypted_only_ && !address->encrypted()) continue;
    const auto server = listed(*address);
    if (!server)
      base::log::warn("upstream {}: more than {} upstreams, it is left out", text, max_upstreams);
    else if (std::find(out.begin(), out.end(), server) == out.end())
      out.push_back(server);
  }
  return out;
}

std::uint32_t ServerSets::set_of(const std::vector<std::string>& upstream) {
  if (upstream.empty()) return 0;
  if (const auto at = numbers_.find(upstream); at != numbers_.end()) return at->second;
  const std::size_t listed_before = servers_.size();
  const auto set = std::make_shared<ServerSet>();
  set->first = add(upstream);
  place_from(listed_before);
  sets_.push_back(set);
  const auto number = std::uint32_t(sets_.size() - 1);
  numbers_.emplace(upstream, number);
  return number;
}

const std::shared_ptr<const ServerSet>& ServerSets::set(std::uint32_t number) const noexcept {
  static const std::shared_ptr<const ServerSet> none = std::make_shared<ServerSet>();
  return number < sets_.size() ? sets_[number] : none;
}

// In the clear too, even with encrypted_only: without it no upstream that is a name could be found.
// Only names of upstreams are asked there, never one of a client's.
void ServerSets::reset_bootstrap(const Settings& settings) {
  const auto set = std::make_shared<ServerSet>();
  for (const auto& old : bootstrap_->first) old->set_retired(true);
  for (const std::string& text :
       settings.bootstrap.empty() ? settings.system : settings.bootstrap) {
    const auto address = UpstreamAddress::parse(text);
    if (!address || address->addresses.empty()) {
      base::log::warn("bootstrap '{}': expected the address of a resolver; it is left out", text);
      continue;
    }
    set->first.push_back(std::make_shared<Server>(*address, &uncounted_, around_));
    unlisted_.push_back(set->first.back());
  }
  bootstrap_ = set;
}

std::vector<std::string> ServerSets::all() const {
  std::vector<std::string> out;
  for (const auto& server : servers_) out.push_back(server->text());
  return out;
}

void ServerSets::sweep() noexcept {
  known_.clear();
  if (unlisted_.empty()) return;
  std::erase_if(unlisted_, [](const auto& server) {
    return server->retired() && server.use_count() == 1 && server->idle();
  });
}

}  // namespace culvert::dns
