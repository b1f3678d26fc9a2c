#include "wg/device.hpp"

#include "base/headers.hpp"
#include "wg/device_impl.hpp"

namespace culvert::wg {

Device::Impl::Impl(Config config, Outbox& outbox, Events& events, base::PacketPool& pool,
                   base::Random& random, base::WorkerCounters& counters)
    : worker(config.worker),
      workers(config.workers),
      packets(pool),
      shared{Identity(std::move(config.private_key)),
             std::move(config.wall_clock),
             config.mtu,
             outbox,
             events,
             random,
             counters,
             IndexTable(config.worker, random),
             Deadlines(),
             AllowedIps(),
             StagingBudget()},
      cookies(shared.identity.private_key, shared.identity.public_key),
      gate(cookies, random) {
  BASE_ASSERT(workers >= 1 && worker < workers && workers <= 256 && shared.wall_clock);
}

Peer* Device::Impl::peer(PeerId id) const noexcept {
  const auto found = peers.find(id);
  return found == peers.end() ? nullptr : found->second.get();
}

Peer* Device::Impl::peer(const PublicKey& key) const noexcept {
  const auto found = by_key.find(key);
  return found == by_key.end() ? nullptr : found->second;
}

Device::Device(Config config, Outbox& outbox, Events& events, base::PacketPool& packets,
               base::Random& random, base::WorkerCounters& counters)
    : impl_(std::make_unique<Impl>(std::move(config), outbox, events, packets, random, counters)) {}

Device::~Device() = default;

base::Result<PeerId> Device::add_peer(PeerConfig config, base::PeerCounters& counters,
                                      base::Time now) {
  Shared& shared = impl_->shared;
  const PublicKey key = config.public_key;
  if (key == shared.identity.public_key)
    return base::Error{"the peer " + key.to_string() + " has the server's own public key"};
  if (impl_->peer(key)) return base::Error{"the peer " + key.to_string() + " is there already"};
  if (config.allowed_ips.size() > shared.allowed_ips.free_prefixes())
    return base::Error{"no room for the allowed IPs of peer " + key.to_string()};

  impl_->now = now;
  shared.deadlines.reserve(impl_->peers.size() + 1);
  const PeerId id{++impl_->last_id};
  auto peer = std::make_unique<Peer>(shared, id, config, counters, now);
  for (const base::Prefix& prefix : config.allowed_ips)
    shared.allowed_ips.insert(prefix, peer->routes());
  impl_->by_key.emplace(key, peer.get());
  impl_->peers.emplace(id, std::move(peer));
  return id;
}

void Device::remove_peer(PeerId id) noexcept {
  const auto found = impl_->peers.find(id);
  if (found == impl_->peers.end()) return;
  impl_->by_key.erase(found->second->remote().public_key);
  impl_->peers.erase(found);
}

std::optional<PeerId> Device::find_peer(const PublicKey& key) const noexcept {
  const Peer* const peer = impl_->peer(key);
  return peer ? std::optional(peer->id()) : std::nullopt;
}

PeerStatus Device::status(PeerId id) const noexcept {
  const Peer* const peer = impl_->peer(id);
  return peer ? peer->status(impl_->now) : PeerStatus{};
}

void Device::set_path(PeerId id, const Path& path, bool initiate, base::Time now) noexcept {
  impl_->now = now;
  Peer* const peer = impl_->peer(id);
  if (!peer) return;
  peer->set_path(path);
  if (initiate) peer->want_handshake(now);
}

void Device::set_preshared_key(PeerId id, PresharedKey key) noexcept {
  if (Peer* const peer = impl_->peer(id)) peer->set_preshared_key(std::move(key));
}

void Device::set_persistent_keepalive(PeerId id, std::chrono::seconds interval,
                                      base::Time now) noexcept {
  impl_->now = now;
  if (Peer* const peer = impl_->peer(id)) peer->set_persistent_keepalive(interval, now);
}

void Device::set_endpoint(PeerId id, const base::Endpoint& endpoint) noexcept {
  if (Peer* const peer = impl_->peer(id)) peer->set_path({endpoint, {}, 0});
}

bool Device::add_allowed_ip(PeerId id, const base::Prefix& prefix) {
  Peer* const peer = impl_->peer(id);
  return peer && impl_->shared.allowed_ips.insert(prefix, peer->routes());
}

bool Device::remove_allowed_ip(PeerId id, const base::Prefix& prefix) noexcept {
  Peer* const peer = impl_->peer(id);
  return peer && impl_->shared.allowed_ips.remove(prefix, peer->routes());
}

void Device::reset_timestamp(PeerId id) noexcept {
  if (Peer* const peer = impl_->peer(id)) peer->forget_stamp();
}

std::optional<base::Drop> Device::send(const base::Pieces& packet, base::Time now) noexcept {
  impl_->now = now;
  const auto destination = base::destination_of(packet);
  const auto* owner = destination ? impl_->shared.allowed_ips.find(*destination) : nullptr;
  const auto drop = owner ? owner->peer()->send(packet, now) : std::optional(base::Drop::no_peer);
  if (drop) impl_->shared.counters.drops.add(*drop);
  return drop;
}

std::optional<PeerId> Device::peer_of(const base::IpAddress& address) const noexcept {
  const auto* owner = impl_->shared.allowed_ips.find(address);
  return owner ? std::optional(owner->peer()->id()) : std::nullopt;
}

void Device::tick(base::Time now) noexcept {
  impl_->now = now;
  while (auto* due = impl_->shared.deadlines.pop_due(now)) due->peer()->run_timers(now);
}

base::Time Device::next_deadline() const noexcept {
  return impl_->shared.deadlines.next();
}

}  // namespace culvert::wg
