// What comes from the network: each message type from its bytes to the peer it belongs to. The
// order of the checks is the protocol's defence: cheap before expensive, nothing changes before the
// AEAD.
#include "base/headers.hpp"
#include "wg/device_impl.hpp"

namespace culvert::wg {
namespace {

using base::Drop;

// What WireGuard needs to know of the packet inside: how long it is, and who claims to send it.
struct InnerPacket {
  std::size_t size;
  base::IpAddress source;

  static std::optional<InnerPacket> parse(base::Bytes plain) noexcept {
    constexpr std::size_t v4_header = 20, v6_header = 40;
    if (plain.empty()) return std::nullopt;
    const unsigned version = std::to_integer<unsigned>(plain[0]) >> 4;
    if (version == 4 && plain.size() >= v4_header) {
      const std::size_t size = base::load_be16(&plain[2]);
      if (size < v4_header || size > plain.size()) return std::nullopt;
      return InnerPacket{size, base::IpAddress::v4(plain.subspan<12, 4>())};
    }
    if (version == 6 && plain.size() >= v6_header) {
      const std::size_t size = v6_header + base::load_be16(&plain[4]);
      if (size > plain.size()) return std::nullopt;
      return InnerPacket{size, base::IpAddress::v6(plain.subspan<8, 16>())};
    }
    return std::nullopt;
  }
};

}  // namespace

std::uint32_t Device::sender_of(base::Bytes datagram) const noexcept {
  if (message_type(datagram) != MessageType::data || datagram.size() < data_overhead) return 0;
  const auto* entry = impl_->shared.indices.find(read_as<DataHeader>(datagram).receiver);
  return entry && entry->session ? entry->peer->id().value : 0;
}

void Device::receive(base::MutableBytes datagram, const Path& from, base::Time now) noexcept {
  impl_->now = now;
  if (const auto drop = impl_->receive(datagram, from, now))
    impl_->shared.counters.drops.add(*drop);
}

Device::Impl::Result Device::Impl::receive(base::Bytes datagram, const Path& from,
                                           base::Time when) noexcept {
  const auto type = message_type(datagram);
  if (!type) return Drop::bad_type;
  if (!size_fits(*type, datagram.size())) return Drop::bad_length;
  switch (*type) {
    case MessageType::data:
      return receive_data(datagram, from, when);
    case MessageType::initiation:
      return receive_initiation(datagram, from, when);
    case MessageType::response:
      return receive_response(datagram, from, when);
    case MessageType::cookie_reply:
      return receive_cookie_reply(datagram, when);
  }
  return Drop::bad_type;
}

Device::Impl::Result Device::Impl::receive_data(base::Bytes datagram, const Path& from,
                                                base::Time when) noexcept {
  const auto* entry = shared.indices.find(read_as<DataHeader>(datagram).receiver);
  if (!entry || !entry->session) return Drop::unknown_index;
  Peer& peer = *entry->peer;
  Session& session = *entry->session;
  if (datagram.size() == data_overhead) {
    if (const auto drop = session.open(datagram, {}, when)) return drop;
    peer.on_data(session, datagram.size(), from, when);
    return std::nullopt;
  }
  const std::size_t size = datagram.size() - data_overhead;
  if (size > packets.capacity_each()) return Drop::bad_length;
  base::Packet packet = packets.allocate();
  if (!packet) return Drop::no_buffer;
  packet.resize(size);
  if (const auto drop = session.open(datagram, packet.bytes(), when)) return drop;
  peer.on_data(session, datagram.size(), from, when);
  return deliver(peer, std::move(packet));
}

Device::Impl::Result Device::Impl::deliver(Peer& peer, base::Packet packet) noexcept {
  const auto inner = InnerPacket::parse(packet.bytes());
  if (!inner) return Drop::malformed;
  if (!peer.holds_source(inner->source)) return Drop::source_not_allowed;
  packet.resize(inner->size);
  peer.counters().up_packets.add();
  peer.counters().up_bytes.add(inner->size);
  // Last, for whoever takes it may send at once.
  shared.events.on_packet(peer.id(), std::move(packet));
  return std::nullopt;
}

Device::Impl::Result Device::Impl::receive_initiation(base::Bytes datagram, const Path& from,
                                                      base::Time when) noexcept {
  if (!cookies.mac1_valid(datagram)) return Drop::bad_mac1;
  const LoadGate::Verdict verdict = gate.admit_initiation(datagram, from.remote, when);
  if (gate.under_load(when)) shared.counters.handshakes_under_load.add();
  if (verdict == LoadGate::Verdict::refuse) return Drop::handshake_rate;
  if (verdict == LoadGate::Verdict::answer_cookie) return answer_cookie(datagram, from, when);

  const auto message = read_as<Initiation>(datagram);
  auto received = consume_initiation(message, shared.identity);
  if (!received) return Drop::bad_handshake;
  if (Peer* const known = peer(received->static_key))
    return known->on_initiation(std::move(*received), message, from, when);
  const unsigned owner = owner_of(received->static_key, workers);
  if (owner == worker) return Drop::unknown_peer;
  shared.events.on_misrouted(owner, datagram, from);
  return Drop::misrouted;
}

Device::Impl::Result Device::Impl::answer_cookie(base::Bytes datagram, const Path& from,
                                                 base::Time when) noexcept {
  const std::uint32_t sender = read_as<Initiation>(datagram).sender;
  const CookieReply reply =
      cookies.create_reply(datagram, sender, from.remote, when, shared.random);
  const auto out = shared.outbox.reserve(from, sizeof reply, handshake_tos);
  if (!out.empty()) std::memcpy(out.data(), &reply, sizeof reply);
  return Drop::under_load;
}

Device::Impl::Result Device::Impl::receive_response(base::Bytes datagram, const Path& from,
                                                    base::Time when) noexcept {
  const auto message = read_as<Response>(datagram);
  const auto* entry = shared.indices.find(message.receiver);
  if (!entry || entry->session) return Drop::unknown_index;
  if (!cookies.mac1_valid(datagram)) return Drop::bad_mac1;
  if (!gate.admit_response(when)) return Drop::handshake_rate;
  return entry->peer->on_response(message, from, when);
}

Device::Impl::Result Device::Impl::receive_cookie_reply(base::Bytes datagram,
                                                        base::Time when) noexcept {
  const auto reply = read_as<CookieReply>(datagram);
  const auto* entry = shared.indices.find(reply.receiver);
  if (!entry) return Drop::unknown_index;
  if (!entry->peer->on_cookie_reply(reply, when)) return Drop::bad_cookie;
  return std::nullopt;
}

}  // namespace culvert::wg
