#include "proxy/context.hpp"

#include <algorithm>

#include "proxy/dns_bypass.hpp"

namespace culvert::proxy {

bool HereCache::leads_here(const base::IpAddress& target, base::Time now) noexcept try {
  const auto found = entries_.find(target);
  if (found != entries_.end() && now < found->second.until) return found->second.here;
  if (entries_.size() >= max_entries) entries_.clear();
  const bool here = leads_to_this_host(target);
  entries_[target] = {here, now + lifetime};
  return here;
} catch (const std::exception&) {
  return true;  // no memory to remember it: refuse
}

void Context::deny(ClientState& client, base::Drop why, std::uint64_t count) noexcept {
  client.counters.denied.add(count);
  client.counters.denials.add(why, count);
  counters.drops.add(why, count);
}

bool Context::may_go_on(const ClientState& client, const base::IpAddress& client_end,
                        const base::Endpoint& target, base::Protocol protocol) const noexcept {
  return table.find_client(client_end) == &client &&
         policy.allows(target, protocol, client.config.egress.get());
}

bool Context::may_reach(ClientState& client, const base::Endpoint& target,
                        base::Protocol protocol) noexcept {
  const Egress verdict = policy.judge(target, protocol, client.config.egress.get());
  if (verdict == Egress::allowed_here) return true;
  if (verdict == Egress::allowed && !here.leads_here(target.address, now())) return true;
  deny(client, base::Drop::egress_denied);
  return false;
}

// A resolver that the configuration leaves alone may be asked in every way.
bool Context::refuses_bypass(ClientState& client, const base::Endpoint& target,
                             base::Protocol protocol) noexcept {
  if (!client.config.dns || !client.config.dns->config.policy->refuses_bypass()) return false;
  if (!leads_around_dns(target, protocol) || dns.passes(target.address)) return false;
  deny(client, base::Drop::dns_bypass);
  if (dns.counters()) dns.counters()->bypass_refused.add();
  return true;
}

// What the operator named in a rule needs no name of ours.
bool Context::refuses_unnamed(ClientState& client, const base::Endpoint& target,
                              base::Protocol protocol) noexcept {
  const dns::Client* const asker = client.config.dns;
  if (!asker || !asker->config.policy->only_handed_out || !dns.resolver()) return false;
  const auto allows = [&](const EgressRule& rule) { return rule.matches(target, protocol); };
  if (std::ranges::any_of(config.egress.allow, allows) || dns.passes(target.address)) return false;
  if (client.config.egress && std::ranges::any_of(client.config.egress->allow, allows))
    return false;
  if (dns.resolver()->handed_out(*asker, target.address)) return false;
  deny(client, base::Drop::not_handed_out);
  dns.counters()->not_handed_out.add();
  return true;
}

std::optional<netstack::IcmpError> Context::refuses(ClientState& client,
                                                    const base::Endpoint& target,
                                                    base::Protocol protocol,
                                                    Opening opening) noexcept {
  using netstack::IcmpError;
  if (refuses_bypass(client, target, protocol)) return IcmpError::port_unreachable;
  if (!may_reach(client, target, protocol)) return IcmpError::prohibited;
  if (opening == Opening::anew && refuses_unnamed(client, target, protocol))
    return IcmpError::prohibited;
  return {};
}

std::string Context::domain_of(const ClientState& client,
                               const base::IpAddress& address) const noexcept try {
  const dns::Client* const asker = client.config.dns;
  if (!asker || asker->config.policy->log != dns::LogPrivacy::full || !dns.resolver()) return {};
  const auto known = dns.resolver()->handed_out(*asker, address);
  return known && known->name ? known->name->to_string() : std::string();
} catch (const std::exception&) {
  return {};
}

bool Context::may_pass(ClientState& client, Direction direction, std::size_t bytes) noexcept {
  if (!client.config.controls) return true;
  Lane& lane = direction == Direction::up ? client.up : client.down;
  if (shaper.pass(lane, bytes, now())) return true;
  deny(client, base::Drop::over_allowance);
  return false;
}

void Context::flush_datagrams() noexcept {
  while (!table.dirty_datagram.empty()) {
    Flow& flow = table.dirty_datagram.front();
    table.dirty_datagram.pop_front();
    flow.on_turn();
  }
  batch.clear();
}

}  // namespace culvert::proxy
