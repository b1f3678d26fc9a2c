#include "dns/filter.hpp"

#include <algorithm>

#include "dns/filter_impl.hpp"
#include "dns/known_resolver_list.hpp"
#include "dns/private_address.hpp"
#include "dns/safe_search_table.hpp"

namespace culvert::dns {
namespace {

using What = Verdict::What;

Name known(std::string_view text) {
  return Name::parse(text).value_or(Name());
}

// Top-level names that are no part of the public DNS: RFC 6762 and 8375, ICANN's resolutions of
// 2018-02-04 and 2024-07-29, and what routers call their network.
constexpr std::string_view private_domains[] = {"local", "home.arpa", "internal",   "home",
                                                "corp",  "lan",       "localdomain"};

NameSet local_names_of(const Settings& settings) {
  NameSet names;
  for (const std::string_view each : private_domains) names.add(each, NameSet::allow);
  // A route for everything says whom to ask, not that names are of this network.
  for (const Route& route : settings.routes)
    if (route.domain != ".") names.add(route.domain, NameSet::allow);
  if (!settings.zone.empty()) names.add(settings.zone, NameSet::allow);
  for (const LocalRecord& record : settings.records)
    names.add(record.name.starts_with("*.") ? record.name.substr(2) : '=' + record.name,
              NameSet::allow);
  return names;
}

bool asks_service(std::uint16_t type) noexcept {
  return type == type::svcb || type == type::https;
}

}  // namespace

Filter::Impl::Impl(const Settings& given)
    : firefox(known("use-application-dns.net")),
      apple_mask(known("mask.icloud.com")),
      apple_mask_h2(known("mask-h2.icloud.com")),
      ddr(known("resolver.arpa")) {
  set_settings(given);
  hash_names();
}

void Filter::Impl::set_settings(const Settings& given) {
  lists = given.lists;
  canary_firefox = given.canary_firefox;
  canary_apple = given.canary_apple;
  canary_ddr = given.canary_ddr;
  local_names = local_names_of(given);
  local_names.build(key);
  rights = list_rights(lists, table.get());
  policies.clear();
  ++generation;
}

void Filter::Impl::set_table(std::shared_ptr<const RuleTable> given) {
  table = std::move(given);
  key = table ? table->key() : key_without_table;
  hash_names();
  rights = list_rights(lists, table.get());
  policies.clear();
  memo.forget();
  ++generation;
}

void Filter::Impl::hash_names() {
  local_names.build(key);
  known_names = NameScreen();
  for (const Name* const each : {&firefox, &apple_mask, &apple_mask_h2, &ddr})
    known_names.add({key, *each});
  const auto add = [this](std::string_view name) { known_names.add({key, known(name)}); };
  std::ranges::for_each(known_resolver_names(), add);
  std::ranges::for_each(safe_search_names(), add);
}

const CompiledPolicy& Filter::Impl::compiled(Client& client) {
  const Policy* const source = client.config.policy.get();
  if (client.policy && client.policy->generation() == generation &&
      &client.policy->policy() == source)
    return *client.policy;
  std::weak_ptr<const CompiledPolicy>& known = policies[source];
  client.policy = known.lock();
  if (client.policy) return *client.policy;
  client.policy = 
      std::make_shared<CompiledPolicy>(client.config.policy, table.get(), key, generation);
  known = client.policy;
  // Policies that nobody has any more; rare, since a policy changes with the configuration.
  std::erase_if(policies, [](const auto& each) { return each.second.expired(); });
  return *client.policy;
}

Filter::Impl::Asked Filter::Impl::asked(Client& client, base::WallTime wall) {
  Asked out{compiled(client)};
  const base::PeerControls* const controls = client.config.controls;
  if (!controls) return out;
  out.schedules = controls->dns_schedules.get() & 0xffffffff;
  const std::uint64_t until = controls->dns_paused_until.get();
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(wall.time_since_epoch());
  out.paused = until != 0 && std::int64_t(until) > now.count();
  return out;
}

// Before anything that blocks: the null address would tell Firefox that no one filters here.
bool Filter::Impl::by_canary(const Asked& asked, const NamePath& path,
                             Verdict& out) const noexcept {
  if (!known_names.may_hold(path)) return false;
  const Name& name = path.name();
  if (canary_ddr && name.is_within(ddr)) {
    decide(out, What::block, Reason::canary, RuleAction::nodata, ddr.labels());
    return true;
  }
  if (!asked.policy.refuses_bypass()) return false;
  const bool is_one = (canary_firefox && name == firefox) ||
                      (canary_apple && (name == apple_mask || name == apple_mask_h2));
  if (is_one) decide(out, What::block, Reason::canary, RuleAction::nxdomain, name.labels());
  return is_one;
}

bool Filter::Impl::by_names(const Asked& asked, const NameSet::Found& found,
                            Verdict& out) const noexcept {
  if (found.bits & NameSet::block)
    decide(out, What::block, Reason::peer_block, RuleAction::block, found.block_labels);
  else if (found.bits & NameSet::schedules)
    decide(out, What::block, Reason::schedule, RuleAction::block, found.schedule_labels);
  else if (asked.everything())
    decide(out, What::block, Reason::schedule, RuleAction::block);
  else
    return false;
  return true;
}

bool Filter::Impl::by_rules(const Client& client, const Asked& asked, const NamePath& path,
                            std::uint16_t type, const ListMask& silent, Verdict& out) {
  if (!table || (!table->has_patterns() && !table->may_match(path))) return false;
  const ListMask all = asked.policy.lists(asked.schedules);
  if (all.none()) return false;
  const RuleAsk ask{path.name(), type, client.config, asked.policy.policy().tags};
  const ListMask active = all & ~silent;
  const RuleVotes votes(*table, rights, active, path, ask, memo);
  if (votes.decide(out) && out.what != What::pass) return true;
  if (active == all)
    votes.forward(out);
  else
    RuleVotes(*table, rights, all, path, ask, memo).forward(out);
  return false;
}

bool Filter::Impl::by_resolvers(const Asked& asked, const NamePath& path,
                                Verdict& out) const noexcept {
  if (!asked.policy.refuses_bypass() || !known_names.may_hold(path) ||
      !is_known_resolver(path.name()))
    return false;
  decide(out, What::block, Reason::encrypted_resolver, RuleAction::block, path.labels());
  return true;
}

// Of any type: an HTTPS record would lead past the rewrite.
bool Filter::Impl::by_safe_search(const Asked& asked, const NamePath& path,
                                  Verdict& out) const noexcept {
  if (!asked.policy.policy().safe_search || !known_names.may_hold(path) ||
      !safe_search_target(path.name()))
    return false;
  decide(out, What::rewrite, Reason::safe_search, RuleAction::rewrite, path.labels());
  return true;
}

bool Filter::Impl::by_type(const Asked& asked, std::uint16_t type, Verdict& out) const noexcept {
  const Policy& policy = asked.policy.policy();
  if (type == type::aaaa && policy.filter_aaaa)
    decide(out, What::block, Reason::no_ipv6, RuleAction::nodata);
  else if (asks_service(type) && policy.ech == EchPolicy::drop)
    decide(out, What::block, Reason::ech, RuleAction::nodata);
  else
    return false;
  return true;
}

NamePath Filter::Impl::expect(const Client& client, const Name& name) const noexcept {
  const NamePath path(key, name);
  if (table && !client.config.policy->lists.empty()) table->prefetch(path);
  return path;
}

Verdict Filter::Impl::question(Client& client, const NamePath& path, std::uint16_t type,
                               base::WallTime wall, const ListMask& silent) {
  const Asked now = asked(client, wall);
  Verdict out;
  const NameSet::Found found = now.policy.names().find(path, now.wanted());
  if (found.bits & NameSet::allow) {
    if (!by_type(now, type, out))
      decide(out, What::pass, Reason::peer_allow, RuleAction::allow, found.allow_labels);
    return out;
  }
  if (by_canary(now, path, out)) return out;
  if (!now.paused &&
      (by_names(now, found, out) || by_rules(client, now, path, type, silent, out) ||
       by_resolvers(now, path, out) || by_safe_search(now, path, out)))
    return out;
  by_type(now, type, out);
  return out;
}

Verdict Filter::Impl::target(Client& client, const Name& name, std::uint16_t type,
                             base::WallTime wall, const ListMask& silent) {
  const Asked now = asked(client, wall);
  Verdict out;
  if (now.paused) return out;
  const NamePath path = expect(client, name);
  const NameSet::Found found = now.policy.names().find(path, now.wanted());
  if (found.bits & NameSet::allow) {
    decide(out, What::pass, Reason::peer_allow, RuleAction::allow, found.allow_labels);
    return out;
  }
  const bool decided = by_names(now, found, out) ||
                       by_rules(client, now, path, type, silent, out) ||
                       by_resolvers(now, path, out);
  if (decided)
    out.by_chain = true;
  else if (out.what == What::forward)
    out = Verdict{};  // where a name is asked is a matter of the name asked
  return out;
}

bool Filter::Impl::by_address(const Asked& asked, const base::IpAddress& address,
                              const ListMask& silent, Verdict& out) const noexcept {
  const RuleTable::Said* const said = table->find_address(address);
  if (said == nullptr) return false;
  const ListMask active = asked.policy.lists(asked.schedules) & ~silent;
  const ListMask block = said->block & active;
  if (block.none() || (said->allow & active & rights.reaches_others).any()) return false;
  decide(out, What::block, Reason::answer_address, RuleAction::block);
  while (!block[out.list]) ++out.list;
  out.by_chain = true;
  out.action = said->action_of(out.list);
  if (out.action != RuleAction::rewrite) return true;
  out.rule = rights.trusted[out.list] ? table->find_address_rewrite(out.list, address) : nullptr;
  if (out.rule != nullptr)
    out.what = What::rewrite;
  else
    out.action = RuleAction::block;
  return true;
}

Verdict Filter::Impl::address(Client& client, const Name& name, const base::IpAddress& address,
                              base::WallTime wall, const ListMask& silent) {
  const Asked now = asked(client, wall);
  const NamePath path(key, name);
  Verdict out;
  if (now.policy.names().find(path, NameSet::allow).bits != 0) return out;
  if (!now.paused && table && by_address(now, address, silent, out)) return out;
  if (now.policy.policy().rebinding_protection && is_private(address) &&
      !local_names.contains(path)) {
    decide(out, What::block, Reason::rebinding, RuleAction::block);
    out.by_chain = true;
  }
  return out;
}

ListMask Filter::Impl::exceptions(Client& client, const Name& name, std::uint16_t type,
                                  base::WallTime wall) {
  const Asked now = asked(client, wall);
  if (!table || now.paused) return {};
  const ListMask active = now.policy.lists(now.schedules);
  if (active.none()) return {};
  const NamePath path(key, name);
  const RuleAsk ask{name, type, client.config, now.policy.policy().tags};
  const ListMask who = RuleVotes(*table, rights, active, path, ask, memo).exceptions();
  return (who & rights.reaches_others).any() ? ~ListMask() : who;
}

Filter::Filter(const Settings& settings) : impl_(std::make_unique<Impl>(settings)) {}
Filter::~Filter() = default;

void Filter::set_settings(const Settings& settings) {
  impl_->set_settings(settings);
}
void Filter::set_table(std::shared_ptr<const RuleTable> table) {
  impl_->set_table(std::move(table));
}
const RuleTable* Filter::table() const noexcept {
  return impl_->table.get();
}
std::uint64_t Filter::generation() const noexcept {
  return impl_->generation;
}

Verdict Filter::of_question(Client& client, const Name& name, std::uint16_t type,
                            base::WallTime wall, const ListMask& silent) {
  return impl_->question(client, impl_->expect(client, name), type, wall, silent);
}

NamePath Filter::expect(const Client& client, const Name& name) const noexcept {
  return impl_->expect(client, name);
}

Verdict Filter::of_question(Client& client, const NamePath& path, std::uint16_t type,
                            base::WallTime wall) {
  return impl_->question(client, path, type, wall, {});
}

Verdict Filter::of_target(Client& client, const Name& name, std::uint16_t type, base::WallTime wall,
                          const ListMask& silent) {
  return impl_->target(client, name, type, wall, silent);
}

Verdict Filter::of_address(Client& client, const Name& name, const base::IpAddress& address,
                           base::WallTime wall, const ListMask& silent) {
  return impl_->address(client, name, address, wall, silent);
}

ListMask Filter::exceptions(Client& client, const Name& name, std::uint16_t type,
                            base::WallTime wall) {
  return impl_->exceptions(client, name, type, wall);
}

}  // namespace culvert::dns
