// TcpCore's way out: what lwIP emits, held back or sent, and the RST of a connection that is not.
#include "base/checksum.hpp"
#include "lwip/priv/tcp_priv.h"
#include "netstack/tcp_core.hpp"

namespace culvert::netstack {

using base::TcpView;

// RFC 9293 section 3.10.7.1: a segment for a connection that does not exist.
void TcpCore::send_reset(const base::FlowKey& key, const TcpView& tcp) noexcept {
  if (tcp.flags & TcpView::rst) return;
  std::array<std::byte, 20> header{};
  base::store_be16(&header[0], key.server.port);
  base::store_be16(&header[2], key.client.port);
  std::uint8_t flags = TcpView::rst;
  if (tcp.flags & TcpView::ack) {
    base::store_be32(&header[4], tcp.acknowledgement);
  } else {
    const std::uint32_t length = std::uint32_t(tcp.payload.size()) +
                                 ((tcp.flags & TcpView::syn) ? 1 : 0) +
                                 ((tcp.flags & TcpView::fin) ? 1 : 0);
    base::store_be32(&header[8], tcp.sequence + length);
    flags |= TcpView::ack;
  }
  header[12] = std::byte{5 << 4};
  header[13] = std::byte{flags};
  const base::Pieces upper{base::Bytes(header)};
  base::store_be16(&header[16],
                   upper_checksum(key.server.address, key.client.address, IP_PROTO_TCP, upper));
  base::IpHeaderSpec spec;
  spec.source = key.server.address, spec.destination = key.client.address;
  spec.protocol = IP_PROTO_TCP, spec.dont_fragment = true;
  sender_.send(spec, upper);
}

void TcpCore::transmit(pbuf* p, const base::IpAddress& source, const base::IpAddress& destination,
                       std::uint8_t ttl, std::uint8_t tos) noexcept {
  auto* header = static_cast<std::byte*>(p->payload);
  const std::uint32_t ack = base::load_be32(header + 8);
  const bool pure_ack = p->tot_len == 20 && header[13] == std::byte{TcpView::ack};
  if (receiving_ && pure_ack && receiving_->may_hold_ack()) {
    // In answer to a packet: see the theory of operation.
    Flow& flow = *receiving_;
    if (flow.ack_held && ack == flow.held_ack) {
      flow.ack_held = false;
      flow.last_ack = ack;
      send_segment(p, source, destination, ttl, tos);
    } else if (ack != flow.last_ack) {
      flow.ack_held = true;
      flow.held_ack = ack;
      return make_dirty(flow);
    }
  } else if (Flow* flow = receiving_ ? receiving_ : flushing_) {
    flow->ack_held = false;
    flow->last_ack = ack;
  }
  send_segment(p, source, destination, ttl, tos);
}

// The timer serves many flows in one call of lwIP; what it sends is looked up.
TcpCore::Flow* TcpCore::flow_of(const pbuf* p, const base::IpAddress& source,
                                const base::IpAddress& destination) const noexcept {
  if (receiving_) return receiving_;
  if (flushing_) return flushing_;
  const auto* header = static_cast<const std::byte*>(p->payload);
  FlowEntry* entry = table_.find({{destination, base::load_be16(header + 2)},
                                  {source, base::load_be16(header)},
                                  base::Protocol::tcp});
  const bool known = entry && entry->kind == FlowEntry::Kind::connection;
  return known ? static_cast<Flow*>(entry) : nullptr;
}

void TcpCore::send_segment(pbuf* p, const base::IpAddress& source,
                           const base::IpAddress& destination, std::uint8_t ttl,
                           std::uint8_t tos) noexcept {
  if (Flow* flow = flow_of(p, source, destination))
    flow->traffic.count_out((source.is_v4() ? 20u : 40u) + p->tot_len, now_);
  base::Pieces upper;
  std::size_t count = 0;
  for (const pbuf* q = p; q; q = q->next) count += q->len > 0;
  if (count < base::Pieces::max_count) {
    for (const pbuf* q = p; q; q = q->next)
      upper.add({static_cast<const std::byte*>(q->payload), q->len});
  } else {
    flat_.resize(p->tot_len);
    pbuf_copy_partial(p, flat_.data(), p->tot_len, 0);
    upper.add(flat_);
  }
  auto* header = const_cast<std::byte*>(upper[0].data());
  base::store_be16(header + 16, 0);
  base::store_be16(header + 16, upper_checksum(source, destination, IP_PROTO_TCP, upper));
  base::IpHeaderSpec spec;
  spec.source = source, spec.destination = destination;
  spec.protocol = IP_PROTO_TCP, spec.ttl = ttl, spec.tos = tos, spec.dont_fragment = true;
  sender_.send(spec, upper);
}

}  // namespace culvert::netstack
