// TcpCore's way in: from a validated packet to lwIP and to the events.
#include <algorithm>

#include "base/assert.hpp"
#include "lwip/priv/tcp_priv.h"
#include "netstack/lwip_port.hpp"
#include "netstack/tcp_core.hpp"
#include "netstack/tcp_options.hpp"
#include "netstack/tcp_scope.hpp"

namespace culvert::netstack {

using base::TcpView;

void TcpCore::input(pbuf* p, const base::IpView& ip, const TcpView& tcp, base::Time now) noexcept {
  now_ = now;
  if (tcp.source_port == 0 || tcp.destination_port == 0) {
    counters_.drops.add(base::Drop::malformed);
    pbuf_free(p);
    return;
  }
  const base::FlowKey key{
      {ip.source, tcp.source_port}, {ip.destination, tcp.destination_port}, base::Protocol::tcp};
  const std::size_t hash = base::FlowKeyHash{}(key);
  const bool plain = (tcp.flags & ~TcpView::psh) == TcpView::ack;
  if (!plain || table_.size() < config_.gather_from) {
    process_waiting();
    return dispatch({p, hash, key, ip, tcp});
  }
  table_.prefetch(hash);
  waiting_[waiting_count_++] = {p, hash, key, ip, tcp};
  if (waiting_count_ == waiting_.size()) process_waiting();
}

// What a packet needs lies far away in memory, each piece behind the one before: the table, the
// flow, lwIP's pcb. Done for a handful of packets at a time, the ways to memory overlap.
void TcpCore::process_waiting() noexcept {
  const auto first = waiting_.begin() + std::ptrdiff_t(waiting_done_);
  const auto last = waiting_.begin() + std::ptrdiff_t(waiting_count_);
  for (auto at = first; at != last; ++at)
    if (const FlowEntry* entry = table_.candidate(at->hash)) prefetch(entry, sizeof(Flow));
  for (auto at = first; at != last; ++at) {
    const FlowEntry* entry = table_.candidate(at->hash);
    if (!entry || entry->kind != FlowEntry::Kind::connection) continue;
    const auto& flow = static_cast<const Flow&>(*entry);
    prefetch(flow.pcb, sizeof(tcp_pcb));
    prefetch(flow.events, 128);
  }
  // An event may lead here again: then the rest is processed there.
  while (waiting_done_ < waiting_count_) {
    const Waiting next = waiting_[waiting_done_++];
    dispatch(next);
  }
  waiting_done_ = waiting_count_ = 0;
}

void TcpCore::dispatch(const Waiting& packet) noexcept {
  const auto& [p, hash, key, ip, tcp] = packet;
  FlowEntry* entry = table_.find(key, hash);
  if (!entry) return unknown(p, ip, tcp, key);
  switch (entry->kind) {
    case FlowEntry::Kind::connection:
      static_cast<Flow&>(*entry).traffic.count_in(ip.packet.size(), now_);
      return flow_input(static_cast<Flow&>(*entry), p, tcp);
    case FlowEntry::Kind::parked:
      return parked_input(static_cast<PendingSyn::Parked&>(*entry), p, ip, tcp);
    case FlowEntry::Kind::time_wait:
      return time_wait_input(static_cast<TimeWait&>(*entry), p, ip, tcp);
  }
}

void TcpCore::unknown(pbuf* p, const base::IpView& ip, const TcpView& tcp,
                      const base::FlowKey& key) noexcept {
  constexpr std::uint8_t kind = TcpView::syn | TcpView::ack | TcpView::rst | TcpView::fin;
  if ((tcp.flags & kind) != TcpView::syn) {
    counters_.drops.add(base::Drop::no_flow);
    send_reset(key, tcp);
    pbuf_free(p);
    return;
  }
  sanitise_options(tcp.options, OptionUse::opening);
  std::unique_ptr<PendingSyn::Parked> parked;
  if (table_.reserve()) parked.reset(new (std::nothrow) PendingSyn::Parked(*this, key));
  if (!parked) {
    counters_.drops.add(base::Drop::no_buffer);
    pbuf_free(p);
    return;
  }
  parked->p = p;
  parked->packet = ip.packet;
  parked->sequence = tcp.sequence;
  parked->ttl = std::uint8_t(ip.ttl - 1);
  parked->traffic.count_in(ip.packet.size(), now_);
  table_.insert(*parked);
  ++parked_count_;
  events_.on_syn(PendingSyn(std::move(parked)));
}

void TcpCore::parked_input(PendingSyn::Parked& parked, pbuf* p, const base::IpView& ip,
                           const TcpView& tcp) noexcept {
  constexpr std::uint8_t kind = TcpView::syn | TcpView::ack | TcpView::rst | TcpView::fin;
  if ((tcp.flags & kind) == TcpView::syn) {
    // The same again, or the client has begun anew: the latest one counts.
    sanitise_options(tcp.options, OptionUse::opening);
    std::swap(parked.p, p);
    parked.packet = ip.packet;
    parked.sequence = tcp.sequence;
    parked.traffic.count_in(ip.packet.size(), now_);
  } else if ((tcp.flags & TcpView::rst) && tcp.sequence - parked.sequence <= 1) {
    pbuf_free(std::exchange(parked.p, nullptr));
    parked.packet = {};
    forget(parked);
    pbuf_free(p);
    if (parked.watcher) parked.watcher->on_reset();
    return;
  }
  pbuf_free(p);
}

void TcpCore::time_wait_input(TimeWait& waiting, pbuf* p, const base::IpView& ip,
                              const TcpView& tcp) noexcept {
  constexpr std::uint8_t kind = TcpView::syn | TcpView::ack | TcpView::rst;
  if ((tcp.flags & kind) == TcpView::syn && TCP_SEQ_GT(tcp.sequence, waiting.pcb->rcv_nxt)) {
    // RFC 1122 section 4.2.2.13: a new incarnation with a higher number may take over.
    const base::FlowKey key = waiting.key;
    drop_time_wait(waiting);
    return unknown(p, ip, tcp, key);
  }
  if (tcp.flags & TcpView::fin) renew(waiting);
  PcbScope scope(waiting.pcb);
  lwip_port::set_current(waiting.key.client.address, waiting.key.server.address);
  tcp_input(p, lwip_port::interface());
}

void TcpCore::flow_input(Flow& flow, pbuf* p, const TcpView& tcp) noexcept {
  // Among many flows neither is in the cache: all lines are asked for at once, not one by one.
  prefetch(flow.pcb, sizeof(tcp_pcb));
  prefetch(&flow, sizeof(Flow));
  // lwIP reads the options of every segment and would let a later one change the segment size.
  sanitise_options(tcp.options,
                   flow.pcb->state == SYN_SENT ? OptionUse::opening : OptionUse::established);
  if (try_join(flow, p, tcp)) return;
  if (flow.joined) {
    const base::FlowKey key = flow.key;
    deliver_joined(flow);
    // The events may have ended the connection.
    FlowEntry* entry = table_.find(key);
    if (!entry || entry->kind != FlowEntry::Kind::connection) {
      if (!entry) send_reset(key, tcp);
      pbuf_free(p);
      return;
    }
    return feed(static_cast<Flow&>(*entry), p, 1);
  }
  feed(flow, p, 1);
}

// Consecutive in-order segments of a batch become one, so that lwIP, the events and the host socket
// are asked once. Only plain data is joined, and only while nothing else in the header changes.
bool TcpCore::try_join(Flow& flow, pbuf* p, const TcpView& tcp) noexcept {
  constexpr std::size_t largest = 65000;  // of pbuf's 16-bit length
  const bool plain =
      (tcp.flags & ~TcpView::psh) == TcpView::ack && !tcp.payload.empty() && tcp.options.empty();
  if (!plain) return false;
  if (!flow.joined) {
    if (tcp.sequence != flow.pcb->rcv_nxt || flow.pcb->ooseq || flow.pcb->state == SYN_RCVD ||
        flow.pcb->state == SYN_SENT)
      return false;
    flow.joined = flow.joined_tail = p;
    flow.joined_count = 1;
    flow.joined_size = tcp.payload.size();
    flow.joined_next = tcp.sequence + std::uint32_t(tcp.payload.size());
    joining_.append(flow.joining);
    return true;
  }
  const auto* first = static_cast<const std::byte*>(flow.joined->payload);
  if (tcp.sequence != flow.joined_next || tcp.acknowledgement != base::load_be32(first + 8) ||
      tcp.window != base::load_be16(first + 14) ||
      flow.joined_size + tcp.payload.size() > largest ||
      flow.joined_count == base::Pieces::max_count)
    return false;
  pbuf_remove_header(p, 20);
  flow.joined_tail->next = p;
  flow.joined_tail = p;
  ++flow.joined_count;
  flow.joined_size += tcp.payload.size();
  flow.joined_next += std::uint32_t(tcp.payload.size());
  return true;
}

void TcpCore::deliver_joined(Flow& flow) noexcept {
  flow.joining.unlink();
  pbuf* chain = std::exchange(flow.joined, nullptr);
  std::size_t total = 20 + flow.joined_size;
  for (pbuf* q = chain; q; q = q->next) {
    q->tot_len = u16_t(total);
    total -= q->len;
  }
  feed(flow, chain, flow.joined_count);
}

namespace {

// Slow start by the bytes acknowledged. lwIP counts at most two segments for each ACK (RFC 3465
// with L = 2), but a client behind a tunnel acknowledges whole batches at once.
void catch_up_slow_start(tcp_pcb* pcb, std::uint32_t acked_before, tcpwnd_size_t cwnd_before,
                         bool recovering) noexcept {
  const std::uint32_t acked = pcb->lastack - acked_before;
  if (acked == 0 || recovering || cwnd_before >= pcb->ssthresh || pcb->cwnd <= cwnd_before) return;
  const tcpwnd_size_t wanted = cwnd_before + acked;
  pcb->cwnd = std::max(pcb->cwnd, std::min(wanted, pcb->ssthresh));
}

}  // namespace

void TcpCore::feed(Flow& flow, pbuf* p, unsigned segments) noexcept {
  tcp_pcb* pcb = flow.pcb;
  const bool opening = pcb->state == SYN_SENT;
  const std::uint32_t acked_before = pcb->lastack;
  const tcpwnd_size_t cwnd_before = pcb->cwnd;
  const bool recovering = (pcb->flags & (TF_RTO | TF_INFR)) != 0;
  {
    PcbScope scope(pcb);
    receiving_ = &flow;
    lwip_port::set_current(flow.key.client.address, flow.key.server.address);
    tcp_input(p, lwip_port::interface());
    receiving_ = nullptr;
  }
  if (flow.pcb) {
    BASE_ASSERT(pcb->refused_data == nullptr);
    pcb->next = nullptr;
    if (flow.got_established) {
      const tcpwnd_size_t cwnd = tcpwnd_size_t(10 * pcb->mss);
      if (opening) flow.set_up_windows();
      pcb->cwnd = cwnd;
      make_dirty(flow);
    } else {
      catch_up_slow_start(pcb, acked_before, cwnd_before, recovering);
    }
    flow.count_out_of_order();
    // Two segments or more are acknowledged when the batch ends (RFC 9293 section 3.8.6.3).
    if (segments > 1 && (pcb->flags & TF_ACK_DELAY)) {
      tcp_set_flags(pcb, TF_ACK_NOW);
      make_dirty(flow);
    }
    if (pcb->state == TIME_WAIT) {
      enter_time_wait(flow);
    } else {
      update_busy(flow);
    }
  } else {
    leave(flow);
  }
  flow.deliver_notes();
}

}  // namespace culvert::netstack
