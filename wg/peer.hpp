// Peer: everything Device keeps about one WireGuard peer, and what happens to it: which of its
// sessions is used, when it shakes hands, where it was last seen, what waits to be sent.
//
// Key pairs (paper, section 6.3, as the kernel does it): `current` sends; `previous` still
// receives; `next` is one that we made as the responder, and it becomes `current` with the first
// packet under it, because only then is it sure that the initiator has the keys. All three receive.
//
// Our own initiation stays pending while we answer one of the peer's, so that a replayed or
// crossing initiation cannot cancel it.
#pragma once

#include <memory>
#include <optional>

#include "base/log.hpp"
#include "wg/allowed_ips.hpp"
#include "wg/cookie.hpp"
#include "wg/deadlines.hpp"
#include "wg/device.hpp"
#include "wg/index_table.hpp"
#include "wg/noise.hpp"
#include "wg/session.hpp"
#include "wg/staged_packets.hpp"
#include "wg/timers.hpp"

namespace culvert::wg {

// What the peers of one Device share.
struct Shared {
  Identity identity;
  std::function<base::WallTime()> wall_clock;
  std::size_t mtu;
  Outbox& outbox;
  Device::Events& events;
  base::Random& random;
  base::WorkerCounters& counters;
  IndexTable indices;
  Deadlines deadlines;
  AllowedIps allowed_ips;
  StagingBudget staging;
  base::log::Limiter stamp_warnings{std::chrono::minutes(1)};
  Tai64n newest_stamp{};  // our own stamps never go back, whatever the wall clock does
};

class Peer {
 public:
  Peer(Shared& shared, PeerId id, PeerConfig& config, base::PeerCounters& counters,
       base::Time now) noexcept;
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  PeerId id() const noexcept { return id_; }
  const RemoteIdentity& remote() const noexcept { return remote_; }
  base::PeerCounters& counters() noexcept { return counters_; }
  AllowedIps::Owner& routes() noexcept { return routes_; }
  PeerStatus status(base::Time now) const noexcept;
  bool holds_source(const base::IpAddress& source) noexcept;

  // One inner packet to the peer, now or when there is a session.
  std::optional<base::Drop> send(const base::Pieces& packet, base::Time now) noexcept;
  void set_path(const Path& path) noexcept { path_ = path; }
  void set_preshared_key(PresharedKey key) noexcept { remote_.preshared_key = std::move(key); }
  void set_persistent_keepalive(std::chrono::seconds interval, base::Time now) noexcept;
  void want_handshake(base::Time now) noexcept;
  void run_timers(base::Time now) noexcept;
  void forget_stamp() noexcept { newest_received_stamp_ = {}; }

  // A data message was authenticated under `session`, which is one of ours.
  void on_data(Session& session, std::size_t datagram_size, const Path& from,
               base::Time now) noexcept;
  std::optional<base::Drop> on_initiation(ReceivedInitiation received, const Initiation& message,
                                          const Path& from, base::Time now) noexcept;
  std::optional<base::Drop> on_response(const Response& message, const Path& from,
                                        base::Time now) noexcept;
  bool on_cookie_reply(const CookieReply& reply, base::Time now) noexcept {
    return cookies_.consume_reply(reply, now);
  }

 private:
  // Data, in peer.cpp
  bool can_send(base::Time now) const noexcept { return current_ && current_->can_send(now); }
  std::optional<base::Drop> seal(const base::Pieces& packet, base::Time now) noexcept;
  void send_keepalive(base::Time now) noexcept;
  bool flush_staged(base::Time now) noexcept;  // true if something was sent
  void authenticated(std::size_t datagram_size, const Path& from) noexcept;
  void wipe() noexcept;
  void reschedule() noexcept;

  // Handshakes, in peer_handshake.cpp
  void start_handshake(base::Time now) noexcept;
  void send_initiation(base::Time now) noexcept;
  void transmit_handshake(base::MutableBytes message, base::Time now) noexcept;
  Tai64n new_stamp() noexcept;
  base::Duration new_jitter() noexcept;
  std::optional<base::Drop> check_stamp(const Tai64n& stamp, base::Time now) noexcept;
  std::unique_ptr<Session> new_session(TransportKeys keys, std::uint32_t local_index,
                                       std::uint32_t remote_index, bool initiator,
                                       base::Time now) noexcept;
  void install_as_initiator(std::unique_ptr<Session> session) noexcept;
  void promote_next() noexcept;
  void handshake_completed(base::Time now) noexcept;
  void cancel_handshake() noexcept;
  void drop_session(std::unique_ptr<Session>& session) noexcept;

  Shared& shared_;
  PeerId id_;
  base::PeerCounters& counters_;
  RemoteIdentity remote_;

  Timers timers_;
  Deadlines::Slot deadline_{this};
  std::optional<Path> path_;
  std::unique_ptr<Session> current_, previous_, next_;
  bool tunnel_up_ = false;                        // as last told to Events
  std::uint64_t source_generation_ = UINT64_MAX;  // of the allowed IPs when good_source_ was found
  base::IpAddress good_source_;

  AllowedIps::Owner routes_{this};
  StagedPackets staged_;
  InitiatorHandshake handshake_;
  std::optional<std::uint32_t> handshake_index_;
  CookieClient cookies_;
  Tai64n newest_received_stamp_{};
  Tai64n newest_sent_stamp_{};
  base::Time initiation_accepted_ = base::Time::min();
  base::Time last_handshake_ = base::Time::min();
};

}  // namespace culvert::wg
