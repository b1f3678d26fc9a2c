// The inside of Device, shared by device.cpp (control, sending, time) and device_receive.cpp.
#pragma once

#include <unordered_map>

#include "wg/load_gate.hpp"
#include "wg/peer.hpp"

namespace culvert::wg {

struct PeerIdHash {
  std::size_t operator()(PeerId id) const noexcept { return id.value; }
};

struct Device::Impl {
  Impl(Config config, Outbox& outbox, Events& events, base::PacketPool& pool, base::Random& random,
       base::WorkerCounters& counters);

  Peer* peer(PeerId id) const noexcept;
  Peer* peer(const PublicKey& key) const noexcept;

  // One datagram; says why it was dropped.
  using Result = std::optional<base::Drop>;
  Result receive(base::Bytes datagram, const Path& from, base::Time now) noexcept;
  Result receive_initiation(base::Bytes datagram, const Path& from, base::Time now) noexcept;
  Result receive_response(base::Bytes datagram, const Path& from, base::Time now) noexcept;
  Result receive_cookie_reply(base::Bytes datagram, base::Time now) noexcept;
  Result receive_data(base::Bytes datagram, const Path& from, base::Time now) noexcept;
  Result deliver(Peer& peer, base::Packet packet) noexcept;
  Result answer_cookie(base::Bytes datagram, const Path& from, base::Time now) noexcept;

  const unsigned worker, workers;
  base::PacketPool& packets;
  Shared shared;
  CookieServer cookies;
  LoadGate gate;
  // Peers are destroyed before what they share.
  std::unordered_map<PeerId, std::unique_ptr<Peer>, PeerIdHash> peers;
  std::unordered_map<PublicKey, Peer*, PublicKeyHash> by_key;
  std::uint32_t last_id = 0;
  base::Time now{};  // of the last call that told it; for status()
};

}  // namespace culvert::wg
