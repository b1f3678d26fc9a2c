#include "app/worker_dns.hpp"

#include <stdexcept>

#include "app/table_socket.hpp"

namespace culvert::app {

std::vector<base::IpAddress> addresses_of(const std::vector<base::Prefix>& allowed_ips) {
  std::vector<base::IpAddress> whole;
  for (const base::Prefix& prefix : allowed_ips)
    if (prefix.length() == prefix.address().bits()) whole.push_back(prefix.address());
  return whole;
}

WorkerDns::WorkerDns(Parts parts) : parts_(std::move(parts)) {
  Runtime& runtime = parts_.runtime;
  const Config& config = *runtime.config;
  dns::DnsCounters& counters = runtime.shared.dns(parts_.index);
  reset_gauges(counters);
  std::vector<base::IpAddress> own;
  for (const Config::Address& each : config.address) own.push_back(each.address);
  resolver_.emplace(
      dns::Resolver::Parts{.io = parts_.loop.io(),
                           .poller = parts_.proxy.poller(),
                           .random = parts_.random,
                           .trust = runtime.trust.get(),
                           .counters = counters,
                           .records = &runtime.shared.queries(parts_.index),
                           .own = std::move(own),
                           .source4 = config.source4,
                           .source6 = config.source6,
                           .mtu = config.mtu,
                           .workers = runtime.workers,
                           .now = [&loop = parts_.loop] { return loop.now(); },
                           .wall = [] { return base::WallTime(std::chrono::system_clock::now()); }},
      config.dns, parts_.proxy.dns_answers());
  if (runtime.rule_table) {
    auto table = dns::RuleTable::map(runtime.rule_table.get(), true);
    runtime.rule_table.reset();
    if (!table) throw std::runtime_error("the rule table of the lists: " + table.error());
    resolver_->set_table(std::move(*table));
  }
  for (const control::Peer* peer : runtime.registry.peers())
    resolver_->set_peer_name(peer->entry.name, addresses_of(peer->entry.allowed_ips));
  parts_.proxy.serve_dns(*resolver_, counters, config.dns);
}

std::shared_ptr<const dns::Policy> WorkerDns::policy_of(const ClientPolicy& policy) const {
  auto found = parts_.runtime.numbers.dns.find(policy.dns);
  return found ? found : default_policy_;
}

dns::Client& WorkerDns::add(std::uint32_t slot, std::string name, const ClientPolicy& policy,
                            std::vector<base::Prefix> addresses, base::PeerCounters& counters,
                            base::Time now) {
  return resolver_->add_client({.slot = slot,
                                .name = std::move(name),
                                .group = policy.group,
                                .addresses = std::move(addresses),
                                .policy = policy_of(policy),
                                .controls = &parts_.runtime.shared.controls(slot)},
                               counters, now);
}

void WorkerDns::change(dns::Client& client, const std::string* name, const ClientPolicy* policy,
                       const std::vector<base::Prefix>* addresses) {
  dns::ClientConfig config = client.config;
  if (name) config.name = *name;
  if (addresses) config.addresses = *addresses;
  if (policy) {
    config.group = policy->group;
    config.policy = policy_of(*policy);
  }
  resolver_->update_client(client, std::move(config));
}

// A table that cannot be mapped changes nothing.
std::string WorkerDns::take_table() {
  const base::FileDescriptor file = receive_table(parts_.tables.get());
  if (!file) return "no rule table came";
  auto table = dns::RuleTable::map(file.get(), true);  // the supervisor has seen it
  if (!table) return table.error();
  resolver_->set_table(std::move(*table));
  return {};
}

std::string WorkerDns::take_trust(const std::string& authorities) try {
  resolver_->set_trust(dns::TrustStore(authorities));
  return {};
} catch (const std::exception& error) {
  return error.what();
}

void WorkerDns::set_names(const SetDnsNames& order) {
  for (const std::string& name : order.removed) resolver_->remove_peer_name(name);
  for (const auto& [name, addresses] : order.added) resolver_->set_peer_name(name, addresses);
}

std::optional<std::string> WorkerDns::carry_out(Order::What& order) {
  DnsPolicyNumbers& policies = parts_.runtime.numbers.dns;
  if (const auto* use = std::get_if<UseRules>(&order)) {
    if (use->any) return take_table();
    resolver_->set_table(nullptr);
  } else if (auto* set = std::get_if<SetDns>(&order)) {
    parts_.proxy.update_dns(set->settings);
    resolver_->set_settings(std::move(set->settings));
  } else if (const auto* names = std::get_if<SetDnsNames>(&order)) {
    set_names(*names);
  } else if (auto* policy = std::get_if<SetDnsPolicy>(&order)) {
    policies.set(policy->number, std::make_shared<const dns::Policy>(std::move(policy->policy)));
  } else if (const auto* forget = std::get_if<ForgetDnsPolicies>(&order)) {
    for (const std::uint64_t number : forget->numbers) policies.forget(number);
  } else if (const auto* trusted = std::get_if<SetTrust>(&order)) {
    return take_trust(trusted->authorities);
  } else if (std::holds_alternative<FlushDnsCache>(order)) {
    resolver_->flush_cache();
  } else {
    return std::nullopt;
  }
  return std::string();
}

}  // namespace culvert::app
