// Device: the front door of the WireGuard protocol, without I/O. Bytes and `now` go in; datagrams
// leave by the Outbox, decrypted inner packets and what happened to peers by Events.
//
// One worker owns one Device. A device holds the peers this worker owns; an initiation from a peer of
// another worker is authenticated far enough to learn its static key and handed to
// Events::on_misrouted, and the owner gets the same bytes by receive().
//
// Implements: J. Donenfeld, "WireGuard: Next Generation Kernel Network Tunnel", sections 5 and 6.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/counters.hpp"
#include "base/ip.hpp"
#include "base/packet.hpp"
#include "base/pieces.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "wg/keys.hpp"
#include "wg/outbox.hpp"

namespace culvert::wg {

struct PeerConfig {
  PublicKey public_key;
  PresharedKey preshared_key;  // zeros = none
  std::vector<base::Prefix> allowed_ips;
  std::optional<base::Endpoint> endpoint;  // set: the peer can be dialled
  std::chrono::seconds persistent_keepalive{0};  // 0 = off
};

// Names a peer of one Device until it is removed; never used again after that.
struct PeerId {
  std::uint32_t value = 0;
  friend bool operator==(const PeerId&, const PeerId&) = default;
};

struct PeerStatus {
  std::optional<base::Endpoint> endpoint;
  bool has_session = false;              // a current key pair that may still send
  base::Time last_handshake = base::Time::min();
};

class Device {
 public:
  struct Config {
    PrivateKey private_key;
    unsigned worker = 0, workers = 1;  // see owner_of(); the low byte of our indices is `worker`
    std::size_t mtu = 1420;            // of the tunnel; padding does not exceed it
    std::function<base::WallTime()> wall_clock;  // for TAI64N stamps and `last_handshake`
  };

  // What happened, told as it happens. A callee may send(); adding or removing a peer has to wait until
  // the call into Device has returned.
  class Events {
   public:
    virtual ~Events() = default;
    // An inner packet from `peer`: authenticated, not a replay, trimmed to its IP length, source
    // within the peer's allowed IPs.
    virtual void on_packet(PeerId peer, base::Packet packet) noexcept = 0;
    // First authenticated packet of a new session: the tunnel stands.
    virtual void on_session(PeerId peer) noexcept = 0;
    // All keys of the peer are gone: the tunnel is down.
    virtual void on_session_lost(PeerId peer) noexcept = 0;
    virtual void on_endpoint(PeerId peer, const Path& path) noexcept = 0;  // changed by roaming
    // `datagram` is an initiation from `owner`'s peer; hand it to that worker.
    virtual void on_misrouted(unsigned owner, base::Bytes datagram, const Path& from) noexcept = 0;
  };

  Device(Config config, Outbox& outbox, Events& events, base::PacketPool& packets,
         base::Random& random, base::WorkerCounters& counters);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // Control plane. An allowed IP that another peer holds moves to this one. `counters` outlives the
  // peer. Refuses the own public key and a key that is there already.
  base::Result<PeerId> add_peer(PeerConfig config, base::PeerCounters& counters, base::Time now);
  // Keys are zeroed and the index freed when this returns.
  void remove_peer(PeerId peer) noexcept;
  std::optional<PeerId> find_peer(const PublicKey& key) const noexcept;
  PeerStatus status(PeerId peer) const noexcept;
  // Where the peer was last seen (after a worker's restart); with `initiate`, starts a handshake.
  void set_path(PeerId peer, const Path& path, bool initiate, base::Time now) noexcept;

  // Changes of a peer that is there; none touches its sessions. A preshared key (zeros = none) holds
  // from the next handshake on.
  void set_preshared_key(PeerId peer, PresharedKey key) noexcept;
  // Turned on (from 0), it sends one packet at once, and shakes hands for it if it must.
  void set_persistent_keepalive(PeerId peer, std::chrono::seconds interval, base::Time now) noexcept;
  // Where packets for the peer go from now on, until it is heard from elsewhere.
  void set_endpoint(PeerId peer, const base::Endpoint& endpoint) noexcept;
  // A prefix that another peer holds moves to this one. False if there is no room for it, or no such
  // peer.
  bool add_allowed_ip(PeerId peer, const base::Prefix& prefix);
  // False if this peer does not hold it.
  bool remove_allowed_ip(PeerId peer, const base::Prefix& prefix) noexcept;

  // Accepts any timestamp in the peer's next handshake: for a peer whose clock was once far ahead
  // (CVE-2021-46873).
  void reset_timestamp(PeerId peer) noexcept;

  // Whose session an outer datagram names, before anything of it is believed: the same number for
  // all datagrams of one peer, 0 for those that name none.
  std::uint32_t sender_of(base::Bytes datagram) const noexcept;

  // One datagram as it came from the socket; it is scratch space afterwards.
  void receive(base::MutableBytes datagram, const Path& from, base::Time now) noexcept;

  // One inner IP packet, routed by the longest allowed IP of its destination. Without a session it is
  // staged (128 per peer, oldest dropped) and a handshake starts. Returns why it was dropped, if so.
  std::optional<base::Drop> send(const base::Pieces& packet, base::Time now) noexcept;

  // The peer whose allowed IPs hold `address`, by longest prefix.
  std::optional<PeerId> peer_of(const base::IpAddress& address) const noexcept;

  // Runs what is due; next_deadline() is when to call again (base::never if nothing waits).
  void tick(base::Time now) noexcept;
  base::Time next_deadline() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert::wg
