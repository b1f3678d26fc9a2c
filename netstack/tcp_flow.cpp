#include "netstack/tcp_flow.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "lwip/priv/tcp_priv.h"
#include "netstack/tcp_core.hpp"

namespace culvert::netstack {

namespace {

// An out-of-order segment pins the packet buffer it came in, however small it is.
constexpr std::size_t packet_buffer = 2048;
// Each pbuf in the send queue costs memory beside the bytes it points to; a client that allows only
// tiny segments must not turn its send buffer into a multiple of it.
constexpr std::size_t bytes_per_queued_pbuf = 128;
constexpr std::size_t initial_segments = 10;  // RFC 6928

TcpConnection::Impl& flow_of(void* self) noexcept {
  return *static_cast<TcpConnection::Impl*>(self);
}

}  // namespace

TcpConnection::Impl::Impl(TcpCore& of, const base::FlowKey& flow, Events& e) noexcept
    : FlowEntry(Kind::connection, flow), core(of), events(&e) {}

TcpConnection::Impl::~Impl() {
  if (destroyed) *destroyed = true;
  core.abort(*this);
  core.budget().promised(promised, 0);
  core.budget().unconsumed(unconsumed, 0);
  core.budget().lent(lent, 0);
}

void TcpConnection::Impl::silence() noexcept {
  core.abort(*this);
  got_established = got_fin = false;
  acknowledged = 0;
  end = End::none;
  received = Chain();
}

void TcpConnection::Impl::attach(tcp_pcb* its_pcb) noexcept {
  pcb = its_pcb;
  tcp_arg(pcb, this);
  tcp_recv(pcb, on_lwip_recv);
  tcp_sent(pcb, on_lwip_sent);
  tcp_err(pcb, on_lwip_error);
  // The origin has decided how its bytes come; Nagle's algorithm would only delay them.
  tcp_nagle_disable(pcb);
  last_ack = pcb->rcv_nxt;
}

void TcpConnection::Impl::detach() noexcept {
  tcp_arg(pcb, nullptr);
  tcp_recv(pcb, nullptr);
  tcp_sent(pcb, nullptr);
  tcp_err(pcb, nullptr);
  pcb = nullptr;
}

err_t TcpConnection::Impl::on_lwip_recv(void* self, tcp_pcb*, pbuf* p, err_t) noexcept {
  if (!self) {  // TIME_WAIT, or being aborted
    if (p) pbuf_free(p);
    return ERR_OK;
  }
  Impl& flow = flow_of(self);
  if (!p) {
    flow.got_fin = true;
    return ERR_OK;
  }
  Chain data(p);
  flow.core.budget().unconsumed(flow.unconsumed, flow.unconsumed + data.size());
  flow.unconsumed += data.size();
  flow.received.append(std::move(data));
  return ERR_OK;
}

err_t TcpConnection::Impl::on_lwip_sent(void* self, tcp_pcb*, u16_t bytes) noexcept {
  if (self) flow_of(self).acknowledged += bytes;
  return ERR_OK;
}

err_t TcpConnection::Impl::on_lwip_connected(void* self, tcp_pcb*, err_t) noexcept {
  if (self) flow_of(self).got_established = true;
  return ERR_OK;
}

// lwIP frees the pcb when this has returned.
void TcpConnection::Impl::on_lwip_error(void* self, err_t error) noexcept {
  if (!self) return;
  Impl& flow = flow_of(self);
  flow.end = error == ERR_CLSD ? End::closed : End::reset;
  flow.pcb = nullptr;
}

void TcpConnection::Impl::deliver_notes() noexcept {
  bool gone = false;
  destroyed = &gone;
  if (pcb && timed_since != base::never && TCP_SEQ_GEQ(pcb->lastack, timed)) {
    round_trip.measured(core.now() - timed_since);
    timed_since = base::never;
  }
  if (got_established) {
    got_established = false, established = true;
    events->on_established();
    if (gone) return;
  }
  if (!received.empty()) {
    events->on_data(std::move(received));
    if (gone) return;
  }
  if (acknowledged > 0) {
    const std::size_t bytes = std::exchange(acknowledged, 0);
    BASE_ASSERT(bytes <= lent);
    core.budget().lent(lent, lent - bytes);
    lent -= bytes;
    if (core.budget().send_may_grow())
      send_limit = send_growth.moved(bytes, send_limit, core.config().send_buffer_max, round_trip,
                                     core.now());
    events->on_sent(bytes);
    if (gone) return;
  }
  if (got_fin) {
    got_fin = false;
    events->on_fin();
    if (gone) return;
  }
  const End how = std::exchange(end, End::none);
  destroyed = nullptr;
  if (how == End::reset) events->on_reset();
  if (how == End::closed) events->on_closed();
}

void TcpConnection::Impl::set_up_windows() noexcept {
  receive_limit = std::min(Budget::initial, core.config().receive_window_max);
  send_limit = std::min(Budget::initial, core.config().send_buffer_max);
  if (core.budget().receive_is_full()) receive_limit = std::min(receive_limit, Budget::shrunk);
  // lwIP starts at its largest window; nothing of it has been announced but the unscaled field of
  // the SYN.
  pcb->rcv_wnd = pcb->rcv_ann_wnd = tcpwnd_size_t(receive_limit);
  pcb->rcv_ann_right_edge = pcb->rcv_nxt + tcpwnd_size_t(receive_limit);
  pcb->cwnd = tcpwnd_size_t(initial_segments * pcb->mss);
  count_promises();
}

void TcpConnection::Impl::time_round_trip() noexcept {
  // A repeated segment would tell less than the truth (Karn's algorithm).
  if (pcb->nrtx > 0) timed_since = base::never;
  if (timed_since != base::never || !pcb->unacked || pcb->nrtx > 0) return;
  timed = pcb->snd_nxt;
  timed_since = core.now();
}

void TcpConnection::Impl::count_promises() noexcept {
  std::size_t now = unconsumed;
  if (pcb && receive_limit > 0)
    now = std::max(receive_limit, unconsumed + std::size_t(pcb->rcv_ann_right_edge - pcb->rcv_nxt));
  core.budget().promised(promised, now);
  promised = now;
}

void TcpConnection::Impl::count_out_of_order() noexcept {
  if (!pcb->ooseq && out_of_order == 0) return;
  std::size_t now = 0;
  for (const tcp_seg* segment = pcb->ooseq; segment; segment = segment->next)
    for (const pbuf* p = segment->p; p; p = p->next)
      now += std::max(packet_buffer, std::size_t(p->len));
  core.budget().out_of_order(out_of_order, now);
  out_of_order = now;
}

void TcpConnection::Impl::give_back_promises() noexcept {
  core.budget().promised(promised, unconsumed);
  core.budget().out_of_order(out_of_order, 0);
  promised = unconsumed, out_of_order = 0;
}

std::size_t TcpConnection::Impl::send_space() const noexcept {
  if (!pcb || !established || wants_shutdown) return 0;
  if (pcb->snd_queuelen >= send_limit / bytes_per_queued_pbuf) return 0;
  const std::size_t limit =
      core.budget().send_is_full() ? std::min(send_limit, Budget::shrunk) : send_limit;
  return lent < limit ? limit - lent : 0;
}

std::size_t TcpConnection::Impl::send(base::Bytes data) noexcept {
  std::size_t taken = 0;
  while (taken < data.size()) {
    const std::size_t room = std::min(send_space(), data.size() - taken);
    if (room == 0) break;
    // The segment size lwIP will use, and two pbufs for each segment.
    const std::size_t segment =
        std::max<std::size_t>(1, std::min<std::size_t>(pcb->mss, pcb->snd_wnd_max / 2));
    const std::size_t queue_room = send_limit / bytes_per_queued_pbuf - pcb->snd_queuelen;
    const std::size_t chunk = std::min({room, std::size_t(65535), segment * (queue_room / 2 + 1)});
    if (tcp_write(pcb, data.data() + taken, u16_t(chunk), 0) != ERR_OK) break;
    core.budget().lent(lent, lent + chunk);
    taken += chunk;
    lent += chunk;
  }
  if (taken > 0) core.make_dirty(*this);
  return taken;
}

void TcpConnection::Impl::consumed(std::size_t bytes) noexcept {
  BASE_ASSERT(bytes <= unconsumed);
  core.budget().unconsumed(unconsumed, unconsumed - bytes);
  unconsumed -= bytes;
  if (!pcb) return count_promises();
  if (core.budget().receive_is_full()) {
    if (receive_limit > Budget::initial) receive_limit = Budget::shrunk;
  } else if (window_scaled() && core.budget().receive_may_grow()) {
    const std::size_t most = std::min(core.config().receive_window_max, std::size_t(TCP_WND));
    receive_limit = receive_growth.moved(bytes, receive_limit, most, round_trip, core.now());
  }
  core.make_dirty(*this);
}

// RFC 9293 section 3.8.6.2.2: a window is told of when it has opened by a good part.
bool TcpConnection::Impl::open_window() noexcept {
  const std::size_t target = receive_limit > unconsumed ? receive_limit - unconsumed : 0;
  if (target > pcb->rcv_wnd) pcb->rcv_wnd = tcpwnd_size_t(target);
  const std::uint32_t seen = pcb->rcv_ann_right_edge - pcb->rcv_nxt;  // what the client still has
  const std::uint32_t gain = tcp_update_rcv_ann_wnd(pcb);
  return gain > 0 && (gain >= receive_limit / 4 || seen < 2u * pcb->mss);
}

bool TcpConnection::Impl::needs_timer() const noexcept {
  if (!pcb) return false;
  if (pcb->unsent || pcb->unacked || pcb->ooseq) return true;
  if (pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND)) return true;
  return pcb->state != ESTABLISHED && pcb->state != CLOSE_WAIT && pcb->state != FIN_WAIT_2;
}

}  // namespace culvert::netstack
