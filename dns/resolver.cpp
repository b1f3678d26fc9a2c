// Clients, settings and time of the resolver.
#include "dns/resolver.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "dns/resolver_impl.hpp"

namespace culvert::dns {
namespace {

std::size_t share(std::uint64_t of_all, unsigned workers) noexcept {
  return std::size_t(of_all / std::max(workers, 1u));
}

TtlClamps clamps_of(const CacheSettings& cache) noexcept {
  const auto seconds = [](std::chrono::seconds value) {
    return std::uint32_t(std::clamp<std::int64_t>(value.count(), 0, 0x7fffffff));
  };
  return {seconds(cache.min_ttl), std::max(seconds(cache.max_ttl), seconds(cache.min_ttl)),
          seconds(cache.max_negative_ttl)};
}

std::unique_ptr<Asking> make_upstreams(const Resolver::Parts& parts, const Settings& settings) {
  if (parts.upstreams != nullptr) return nullptr;
  return std::make_unique<Upstreams>(Upstreams::Parts{.io = parts.io,
                                                      .poller = parts.poller,
                                                      .random = parts.random,
                                                      .trust = parts.trust,
                                                      .counters = parts.counters.upstreams,
                                                      .source4 = parts.source4,
                                                      .source6 = parts.source6,
                                                      .now = parts.now},
                                     settings);
}

// Whom a new upstream must not be answered for by what another said.
bool same_upstreams(const Settings& a, const Settings& b) {
  return a.upstream == b.upstream && a.fallback == b.fallback && a.system == b.system &&
         a.encrypted_only == b.encrypted_only;
}

}  // namespace

Resolver::Impl::Impl(Parts parts, Settings settings, Events& events)
    : parts_(std::move(parts)),
      settings_(std::move(settings)),
      events_(events),
      filter_(settings_),
      zone_(settings_, parts_.own),
      cache_(share(settings_.cache.bytes, parts_.workers), parts_.random),
      own_upstreams_(make_upstreams(parts_, settings_)),
      upstreams_(own_upstreams_ ? *own_upstreams_ : *parts_.upstreams),
      out_(std::make_unique<std::byte[]>(out_size)),
      clean_bytes_(std::make_unique<std::byte[]>(max_message)),
      copy_(std::make_unique<std::byte[]>(max_message)),
      clamps_(clamps_of(settings_.cache)) {
  for (const ListSettings& list : settings_.lists) awaited_.push_back(list.name);
  set_numbers_[{}] = 0;
  sets_[0] = 0;
  compile_routes();
}

// What is under way upstream must not come back to what is no more.
Resolver::Impl::~Impl() {
  own_upstreams_.reset();
}

ClientState& Resolver::Impl::add(ClientConfig config, base::PeerCounters& counters,
                                 base::Time now) {
  auto made = std::make_unique<ClientState>(std::move(config), counters, settings_.limits, now);
  ClientState& client = *made;
  clients_.emplace(&client, std::move(made));
  apply_policy(client);
  return client;
}

void Resolver::Impl::update(ClientState& client, ClientConfig config) {
  client.config = std::move(config);
  client.policy.reset();
  apply_policy(client);
}

void Resolver::Impl::apply_policy(ClientState& client) {
  const Policy& policy = *client.config.policy;
  client.stamp = 0;
  const std::uint32_t set = set_number(policy.upstream);
  sets_left_ |= set != std::exchange(client.set, set);
  const bool names = policy.log == LogPrivacy::full;
  if (!names && !policy.only_handed_out)
    client.handed_out.reset();
  else if (!client.handed_out)
    client.handed_out = std::make_unique<HandedAddresses>();
  else if (!names)
    client.handed_out->forget_names();
}

void Resolver::Impl::apply_limits(ClientState& client, base::Time now) {
  const auto at_least_one = [](std::uint64_t n) { return std::max<std::uint64_t>(n, 1); };
  client.forwarded = base::TokenBucket(at_least_one(settings_.limits.forwarded_per_second),
                                       at_least_one(settings_.limits.forwarded_burst), now);
}

void Resolver::Impl::remove(ClientState& client) noexcept {
  if (client.in_flight != 0)
    for (auto& [key, pending] : pending_) {
      const auto gone = std::remove_if(pending->waiters.begin(), pending->waiters.end(),
                                       [&](const Waiter& waiter) {
                                         if (waiter.client != &client) return false;
                                         --waiting_;
                                         return true;
                                       });
      pending->waiters.erase(gone, pending->waiters.end());
    }
  sets_left_ |= client.set != 0;
  clients_.erase(&client);
}

void Resolver::Impl::configure(Settings settings) {
  if (!same_upstreams(settings, settings_)) {
    cache_.clear();
    ++era_;
  }
  const bool new_limits = settings.limits != settings_.limits;
  settings_ = std::move(settings);
  clamps_ = clamps_of(settings_.cache);
  cache_.set_bytes(share(settings_.cache.bytes, parts_.workers));
  filter_.set_settings(settings_);
  zone_.set_settings(settings_);
  renew_sets();
  const base::Time now = parts_.now();
  for (auto& [key, client] : clients_) {
    apply_policy(*client);
    if (new_limits) apply_limits(*client, now);
  }
  show_cache();
}

std::uint32_t Resolver::Impl::set_number(const std::vector<std::string>& upstream) {
  const auto [known, made] = set_numbers_.emplace(upstream, last_set_ + 1);
  const std::uint32_t number = known->second;
  if (made) ++last_set_;
  if (!sets_.contains(number)) sets_[number] = upstreams_.set_of(upstream);
  return number;
}

// A question that waited may name a set that is gone: nobody is asked then.
std::uint32_t Resolver::Impl::set_at(std::uint32_t number) const noexcept {
  const auto found = sets_.find(number);
  return found == sets_.end() ? ~std::uint32_t{0} : found->second;
}

// Those that a route, a client or a rule names keep their numbers, the others are let go.
void Resolver::Impl::renew_sets() {
  upstreams_.set_settings(settings_);
  sets_ = {{0, 0}};
  compile_routes();
  std::set<std::vector<std::string>> named;
  for (const auto& [key, client] : clients_) named.insert(client->config.policy->upstream);
  for (const auto& [rule, number] : forwards_) named.insert({rule->upstream});
  for (const std::vector<std::string>& upstream : named) set_number(upstream);
  std::erase_if(set_numbers_, [this](const auto& each) { return !sets_.contains(each.second); });
  sets_left_ = false;
}

void Resolver::Impl::flush() noexcept {
  if (sets_left_) renew_sets();
  upstreams_.flush();
}

void Resolver::Impl::compile_routes() {
  routes_.clear();
  route_of_rest_.reset();
  for (const Route& route : settings_.routes) {
    const std::optional<Name> domain = Name::parse(route.domain);
    if (!domain) continue;
    const std::uint32_t set = set_number(route.upstream);
    if (domain->is_root())
      route_of_rest_ = set;
    else
      routes_[*domain] = set;
  }
}

void Resolver::Impl::tick(base::Time now) noexcept {
  upstreams_.tick(now);
  while (!late_.empty() && late_.front().at <= now) {
    const std::uint64_t id = late_.front().id;
    late_.pop_front();
    on_late(id, now);
  }
  while (!timeouts_.empty() && timeouts_.front().at <= now) {
    const std::uint64_t id = timeouts_.front().id;
    timeouts_.pop_front();
    if (const std::unique_ptr<Pending> pending = take(id))
      fail(*pending, rcode::servfail, ede::no_reachable_authority, now);
  }
}

base::Time Resolver::Impl::next_deadline() const noexcept {
  base::Time next = upstreams_.next_deadline();
  if (!late_.empty()) next = std::min(next, late_.front().at);
  if (!timeouts_.empty()) next = std::min(next, timeouts_.front().at);
  return next;
}

// --- Resolver ---

Resolver::Resolver(Parts parts, Settings settings, Events& events)
    : impl_(std::make_unique<Impl>(std::move(parts), std::move(settings), events)) {}

Resolver::~Resolver() = default;

Client& Resolver::add_client(ClientConfig config, base::PeerCounters& counters, base::Time now) {
  return impl_->add(std::move(config), counters, now);
}

void Resolver::update_client(Client& client, ClientConfig config) {
  impl_->update(static_cast<ClientState&>(client), std::move(config));
}

void Resolver::remove_client(Client& client) noexcept {
  impl_->remove(static_cast<ClientState&>(client));
}

void Resolver::set_settings(Settings settings) {
  impl_->configure(std::move(settings));
}

void Resolver::set_trust(const TrustStore& trust) {
  impl_->upstreams_.set_trust(trust);
  flush_cache();
}

void Resolver::set_table(std::shared_ptr<const RuleTable> table) {
  impl_->sets_left_ |= !impl_->forwards_.empty();
  impl_->forwards_.clear();
  const auto has_come = [&](const std::string& list) {
    return !table || std::ranges::find(table->lists(), list) != table->lists().end();
  };
  std::erase_if(impl_->awaited_, has_come);
  impl_->table_ = table;
  impl_->parts_.counters.table_generation.set(table ? table->generation() : 0);
  impl_->parts_.counters.table_rules.set(table ? table->rules() : 0);
  impl_->filter_.set_table(std::move(table));
}

void Resolver::set_peer_name(const std::string& name,
                             const std::vector<base::IpAddress>& addresses) {
  impl_->zone_.set_peer(name, addresses);
}

void Resolver::remove_peer_name(const std::string& name) {
  impl_->zone_.remove_peer(name);
}

void Resolver::flush_cache() {
  impl_->cache_.clear();
  impl_->show_cache();
}

void Resolver::ask(Client& client, const Asker& asker, base::Bytes query) noexcept {
  impl_->ask(static_cast<ClientState&>(client), asker, query);
}

std::optional<Resolver::HandedOut> Resolver::handed_out(
    const Client& client, const base::IpAddress& address) const noexcept {
  const auto& kept = static_cast<const ClientState&>(client).handed_out;
  if (!kept) return std::nullopt;
  const HandedAddresses::Found found = kept->find(address, impl_->parts_.now());
  if (!found.known) return std::nullopt;
  HandedOut out;
  if (!found.name.empty() && Name::read(found.name, impl_->handed_name_) != 0)
    out.name = &impl_->handed_name_;
  return out;
}

void Resolver::tick(base::Time now) noexcept {
  impl_->tick(now);
}

base::Time Resolver::next_deadline() const noexcept {
  return impl_->next_deadline();
}

void Resolver::flush() noexcept {
  impl_->flush();
}

}  // namespace culvert::dns
