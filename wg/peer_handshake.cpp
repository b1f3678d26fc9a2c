// The half of Peer that shakes hands: initiations and responses out and in, and what they do to the
// three sessions.
#include <algorithm>
#include <chrono>

#include "wg/peer.hpp"

namespace culvert::wg {

void Peer::want_handshake(base::Time now) noexcept {
  if (!path_ || !remote_.static_static) return;
  if (timers_.handshake_wanted(now)) send_initiation(now);
  reschedule();
}

void Peer::send_initiation(base::Time now) noexcept {
  cancel_handshake();
  if (!path_ || !remote_.static_static) return;
  const std::uint32_t index = shared_.indices.allocate(*this);
  handshake_index_ = index;
  Initiation message;
  if (handshake_.create_initiation(message, index, new_stamp(), shared_.identity, remote_,
                                   shared_.random))
    transmit_handshake(std::as_writable_bytes(std::span(&message, 1)), now);
  timers_.initiation_sent(now, new_jitter());
  reschedule();
}

void Peer::transmit_handshake(base::MutableBytes message, base::Time now) noexcept {
  cookies_.sign(message, now);
  const auto datagram = shared_.outbox.reserve(*path_, message.size(), handshake_tos);
  if (datagram.empty()) {
    shared_.counters.drops.add(base::Drop::outbox_full);
    return;
  }
  std::ranges::copy(message, datagram.begin());
  counters_.tx_bytes.add(message.size());
}

Tai64n Peer::new_stamp() noexcept {
  Tai64n& newest = shared_.newest_stamp;
  newest = std::max(newest, tai64n(shared_.wall_clock()));
  if (newest <= newest_sent_stamp_) newest = next_stamp(newest_sent_stamp_);
  newest_sent_stamp_ = newest;
  return newest;
}

base::Duration Peer::new_jitter() noexcept {
  return std::chrono::milliseconds(shared_.random.below(unsigned(max_jitter.count()) + 1));
}

std::optional<base::Drop> Peer::check_stamp(const Tai64n& stamp, base::Time now) noexcept {
  if (stamp <= newest_received_stamp_) return base::Drop::old_timestamp;
  if (initiation_accepted_ != base::Time::min() && now - initiation_accepted_ < min_initiation_gap)
    return base::Drop::handshake_rate;
  // Accepted all the same, as everybody does; but it locks out the peer's own earlier clock.
  if (stamp > tai64n(shared_.wall_clock() + std::chrono::hours(24)) &&
      shared_.stamp_warnings.allow(now))
    base::log::warn("a handshake of peer {} is dated more than 24 hours ahead of this clock",
                    remote_.public_key.to_string());
  return std::nullopt;
}

std::optional<base::Drop> Peer::on_initiation(ReceivedInitiation received,
                                              const Initiation& message, const Path& from,
                                              base::Time now) noexcept {
  const auto stamp = authenticate(received, message, remote_);
  if (!stamp) return base::Drop::bad_handshake;
  if (const auto drop = check_stamp(*stamp, now)) return drop;
  const std::uint32_t remote_index = received.sender;
  const std::uint32_t index = shared_.indices.allocate(*this);
  Response response;
  auto keys = create_response(response, std::move(received), index, remote_, shared_.random);
  if (!keys) {
    shared_.indices.erase(index);
    return base::Drop::bad_handshake;
  }
  newest_received_stamp_ = *stamp;
  initiation_accepted_ = now;
  authenticated(sizeof message, from);

  drop_session(next_);
  drop_session(previous_);
  next_ = new_session(std::move(*keys), index, remote_index, false, now);
  transmit_handshake(std::as_writable_bytes(std::span(&response, 1)), now);
  timers_.authenticated_received(now);
  timers_.response_sent(now, new_jitter());
  timers_.session_derived(now);
  reschedule();
  return std::nullopt;
}

std::optional<base::Drop> Peer::on_response(const Response& message, const Path& from,
                                            base::Time now) noexcept {
  auto keys = handshake_.consume_response(message, shared_.identity, remote_);
  if (!keys) return base::Drop::bad_handshake;
  BASE_ASSERT(handshake_index_);
  const std::uint32_t index = *std::exchange(handshake_index_, std::nullopt);
  authenticated(sizeof message, from);
  install_as_initiator(new_session(std::move(*keys), index, message.sender, true, now));
  timers_.authenticated_received(now);
  timers_.session_derived(now);
  handshake_completed(now);
  // The responder may not send before it has heard from us under the new keys.
  if (!flush_staged(now)) send_keepalive(now);
  reschedule();
  return std::nullopt;
}

std::unique_ptr<Session> Peer::new_session(TransportKeys keys, std::uint32_t local_index,
                                           std::uint32_t remote_index, bool initiator,
                                           base::Time now) noexcept {
  auto session =
      std::make_unique<Session>(std::move(keys), local_index, remote_index, initiator, now);
  shared_.indices.set_session(local_index, *session);
  return session;
}

void Peer::install_as_initiator(std::unique_ptr<Session> session) noexcept {
  drop_session(previous_);
  if (next_) {
    // Handshakes crossed: the peer may have taken the other one already, so it can still receive.
    previous_ = std::move(next_);
    drop_session(current_);
  } else {
    previous_ = std::move(current_);
  }
  current_ = std::move(session);
}

void Peer::promote_next() noexcept {
  drop_session(previous_);
  previous_ = std::move(current_);
  current_ = std::move(next_);
  // If an initiation of ours is still out, this session has made it superfluous.
  cancel_handshake();
}

void Peer::handshake_completed(base::Time now) noexcept {
  timers_.handshake_completed();
  last_handshake_ = now;
  counters_.last_handshake.set(std::uint64_t(shared_.wall_clock().time_since_epoch().count()));
  counters_.handshakes.add();
  tunnel_up_ = true;
  shared_.events.on_session(id_);
}

void Peer::cancel_handshake() noexcept {
  handshake_.clear();
  if (handshake_index_) shared_.indices.erase(*std::exchange(handshake_index_, std::nullopt));
}

void Peer::drop_session(std::unique_ptr<Session>& session) noexcept {
  if (!session) return;
  shared_.indices.erase(session->local_index());
  session.reset();
}

}  // namespace culvert::wg
