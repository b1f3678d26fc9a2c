#include "wg/peer.hpp"

#include <algorithm>

namespace culvert::wg {
namespace {

// Section 5.4.6: zeros up to a multiple of 16, but never beyond the tunnel's MTU.
std::size_t padded_size(std::size_t size, std::size_t mtu) noexcept {
  const std::size_t rounded = (size + padding_multiple - 1) / padding_multiple * padding_multiple;
  return std::max(size, std::min(rounded, mtu));
}

}  // namespace

Peer::Peer(Shared& shared, PeerId id, PeerConfig& config, base::PeerCounters& counters,
           base::Time now) noexcept
    : shared_(shared),
      id_(id),
      counters_(counters),
      remote_(shared.identity, config.public_key, std::move(config.preshared_key)),
      timers_(config.persistent_keepalive),
      staged_(shared.staging),
      cookies_(config.public_key) {
  if (config.endpoint) path_ = Path{*config.endpoint, {}, 0};
  if (path_ && remote_.static_static) timers_.start_persistent(now);
  reschedule();
}

Peer::~Peer() {
  shared_.deadlines.remove(deadline_);
  shared_.allowed_ips.remove_all(routes_);
  cancel_handshake();
  for (auto* session : {&current_, &previous_, &next_}) drop_session(*session);
}

PeerStatus Peer::status(base::Time now) const noexcept {
  PeerStatus status;
  if (path_) status.endpoint = path_->remote;
  status.has_session = can_send(now);
  status.last_handshake = last_handshake_;
  return status;
}

void Peer::set_persistent_keepalive(std::chrono::seconds interval, base::Time now) noexcept {
  const bool turned_on = timers_.set_persistent(interval, now);
  if (turned_on && path_ && remote_.static_static) timers_.start_persistent(now);
  reschedule();
}

bool Peer::holds_source(const base::IpAddress& source) noexcept {
  // Most packets of a peer have the source of the one before.
  const std::uint64_t generation = shared_.allowed_ips.generation();
  if (generation == source_generation_ && source == good_source_) return true;
  if (shared_.allowed_ips.find(source) != &routes_) return false;
  source_generation_ = generation;
  good_source_ = source;
  return true;
}

std::optional<base::Drop> Peer::send(const base::Pieces& packet, base::Time now) noexcept {
  if (can_send(now)) {
    const auto drop = seal(packet, now);
    if (!drop && current_->rekey_due_on_send(now)) want_handshake(now);
    return drop;
  }
  if (!path_) return base::Drop::no_endpoint;
  if (!remote_.static_static) return base::Drop::send_refused;
  if (const std::size_t lost = staged_.add(packet))
    shared_.counters.drops.add(base::Drop::staged_overflow, lost);
  want_handshake(now);
  return std::nullopt;
}

std::optional<base::Drop> Peer::seal(const base::Pieces& packet, base::Time now) noexcept {
  const std::size_t padded = padded_size(packet.size(), shared_.mtu);
  const auto datagram = shared_.outbox.reserve(*path_, data_overhead + padded, data_tos);
  if (datagram.empty()) return base::Drop::outbox_full;
  const auto plain = datagram.subspan(sizeof(DataHeader), padded);
  const std::size_t copied = packet.copy_to(plain);
  std::ranges::fill(plain.subspan(copied), std::byte{0});
  current_->seal(datagram);

  counters_.tx_bytes.add(datagram.size());
  timers_.authenticated_sent(now);
  if (packet.size() != 0) {
    counters_.down_packets.add();
    counters_.down_bytes.add(packet.size());
    timers_.data_sent(now);
  }
  reschedule();
  return std::nullopt;
}

void Peer::send_keepalive(base::Time now) noexcept {
  if (!can_send(now)) {
    want_handshake(now);
    return;
  }
  // A keepalive that finds the outbox full counts as lost on the way; its timer must go on.
  if (const auto drop = seal({}, now)) {
    shared_.counters.drops.add(*drop);
    timers_.authenticated_sent(now);
  }
  if (current_->rekey_due_on_send(now)) want_handshake(now);
}

bool Peer::flush_staged(base::Time now) noexcept {
  bool sent = false;
  while (const auto item = staged_.take()) {
    if (const auto drop = seal(item->bytes(), now))
      shared_.counters.drops.add(*drop);
    else
      sent = true;
  }
  return sent;
}

void Peer::on_data(Session& session, std::size_t datagram_size, const Path& from,
                   base::Time now) noexcept {
  authenticated(datagram_size, from);
  if (&session == next_.get()) {
    promote_next();
    handshake_completed(now);
    flush_staged(now);
  }
  if (current_ && current_->rekey_due_on_receive(now) && timers_.last_minute_handshake())
    want_handshake(now);
  timers_.authenticated_received(now);
  if (datagram_size > data_overhead) timers_.data_received(now);
  reschedule();
}

// Roaming (section 6.5): whoever sends something authentic is where the peer is now.
void Peer::authenticated(std::size_t datagram_size, const Path& from) noexcept {
  counters_.rx_bytes.add(datagram_size);
  if (path_ == from) return;
  const bool moved = !path_ || path_->remote != from.remote;
  path_ = from;
  if (moved) shared_.events.on_endpoint(id_, from);
}

void Peer::run_timers(base::Time now) noexcept {
  const Timers::Due due = timers_.expire(now);
  if (due.wipe) wipe();
  if (due.give_up) {
    const std::size_t lost = staged_.clear();
    if (lost != 0) shared_.counters.drops.add(base::Drop::staged_overflow, lost);
  }
  // The address we answered from may be what no longer works: let the kernel choose anew.
  if ((due.retry || due.new_handshake) && path_) path_->local = {}, path_->interface = 0;
  if (due.retry) send_initiation(now);
  if (due.new_handshake) want_handshake(now);
  if (due.keepalive) send_keepalive(now);
  reschedule();
}

void Peer::wipe() noexcept {
  cancel_handshake();
  for (auto* session : {&current_, &previous_, &next_}) drop_session(*session);
  if (std::exchange(tunnel_up_, false)) shared_.events.on_session_lost(id_);
}

void Peer::reschedule() noexcept {
  const base::Time due = timers_.deadline();
  if (due < deadline_.at()) shared_.deadlines.schedule(deadline_, due);
}

}  // namespace culvert::wg
