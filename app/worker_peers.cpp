#include "app/worker_peers.hpp"

#include <algorithm>

namespace culvert::app {

ClientPolicy client_policy(const control::PeerEntry& entry, PolicyNumbers& numbers) {
  const control::Policy& policy = entry.policy;
  return {.limits = policy.limits,
          .rules = numbers.egress.number_of(policy.egress),
          .full_cone = policy.full_cone,
          .dns = numbers.dns.number_of(policy.dns),
          .group = entry.group};
}

AddPeer add_order(std::uint32_t slot, const control::PeerEntry& entry, PolicyNumbers& numbers) {
  return {.slot = slot,
          .name = entry.name,
          .public_key = entry.public_key,
          .preshared_key = entry.preshared_key.clone(),
          .allowed_ips = entry.allowed_ips,
          .endpoint = entry.endpoint,
          .persistent_keepalive = entry.persistent_keepalive,
          .policy = client_policy(entry, numbers)};
}

std::string WorkerPeers::add(AddPeer order, base::Time now) {
  if (order.slot >= shared_.peer_capacity() || peers_.contains(order.slot))
    return "slot " + std::to_string(order.slot) + " is not free";
  reports_.make_room(order.slot + std::size_t(1));
  base::PeerCounters& counters = shared_.peer(order.slot);
  reset_gauges(counters);
  const auto id = device_.add_peer({.public_key = order.public_key,
                                    .preshared_key = std::move(order.preshared_key),
                                    .allowed_ips = order.allowed_ips,
                                    .endpoint = order.endpoint,
                                    .persistent_keepalive = order.persistent_keepalive},
                                   counters, now);
  if (!id) return id.error();
  dns::Client& asker =
      dns_.add(order.slot, order.name, order.policy, order.allowed_ips, counters, now);
  proxy::Client& client = proxy_.add_client({.name = std::move(order.name),
                                             .addresses = std::move(order.allowed_ips),
                                             .limits = order.policy.limits,
                                             .egress = rules_.find(order.policy.rules),
                                             .full_cone = order.policy.full_cone,
                                             .slot = order.slot,
                                             .controls = &shared_.controls(order.slot),
                                             .dns = &asker},
                                            counters, now);
  peers_.emplace(order.slot, Peer{*id, &client});
  slots_.emplace(id->value, order.slot);
  return {};
}

void WorkerPeers::resume(std::uint32_t slot, const PeerMemory& memory, base::Time now) {
  if (!memory.path) return;
  reports_.moved(slot, *memory.path);
  device_.set_path(peers_.find(slot)->second.id, *memory.path, memory.up, now);
}

const proxy::Client* WorkerPeers::client(std::uint32_t slot) const noexcept {
  const auto found = peers_.find(slot);
  return found == peers_.end() ? nullptr : found->second.client;
}

std::string WorkerPeers::change(ChangePeer order, base::Time now) {
  const auto found = peers_.find(order.slot);
  if (found == peers_.end()) return "nobody has slot " + std::to_string(order.slot);
  Peer& peer = found->second;
  // First the routes: the proxy looks at what a client holds now.
  if (order.allowed_ips) change_routes(peer, *order.allowed_ips);
  if (order.preshared_key) device_.set_preshared_key(peer.id, std::move(*order.preshared_key));
  if (order.endpoint) {
    device_.set_endpoint(peer.id, *order.endpoint);
    reports_.moved(order.slot, {*order.endpoint, {}, 0});
  }
  if (order.persistent_keepalive)
    device_.set_persistent_keepalive(peer.id, *order.persistent_keepalive, now);
  if (order.allowed_ips || order.policy || order.name) change_client(peer, order);
  return {};
}

// All that it holds now is given to it again: others may have taken some meanwhile.
void WorkerPeers::change_routes(Peer& peer, const std::vector<base::Prefix>& now_held) {
  for (const base::Prefix& had : peer.client->config.addresses)
    if (std::ranges::find(now_held, had) == now_held.end()) device_.remove_allowed_ip(peer.id, had);
  for (const base::Prefix& prefix : now_held) device_.add_allowed_ip(peer.id, prefix);
}

void WorkerPeers::change_client(Peer& peer, ChangePeer& order) {
  dns_.change(*peer.client->config.dns, order.name ? &*order.name : nullptr,
              order.policy ? &*order.policy : nullptr,
              order.allowed_ips ? &*order.allowed_ips : nullptr);
  proxy::ClientConfig config = peer.client->config;
  if (order.name) config.name = std::move(*order.name);
  if (order.allowed_ips) config.addresses = std::move(*order.allowed_ips);
  if (order.policy) {
    config.limits = order.policy->limits;
    config.egress = rules_.find(order.policy->rules);
    config.full_cone = order.policy->full_cone;
  }
  proxy_.update_client(*peer.client, std::move(config));
}

std::string WorkerPeers::remove(std::uint32_t slot) noexcept {
  const auto found = peers_.find(slot);
  if (found == peers_.end()) return "nobody has slot " + std::to_string(slot);
  const Peer peer = found->second;
  dns::Client& asker = *peer.client->config.dns;
  proxy_.remove_client(*peer.client);  // its resets leave under the keys
  dns_.resolver().remove_client(asker);
  device_.remove_peer(peer.id);
  reports_.forget(slot);
  slots_.erase(peer.id.value);
  peers_.erase(found);
  return {};
}

}  // namespace culvert::app
