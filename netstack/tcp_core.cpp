#include "netstack/tcp_core.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "lwip/priv/tcp_priv.h"
#include "netstack/lwip_port.hpp"
#include "netstack/tcp_scope.hpp"

namespace culvert::netstack {

using base::TcpView;

namespace {

constexpr base::Duration tick_interval = std::chrono::milliseconds(TCP_TMR_INTERVAL);
// A loop that was held up makes up for this many ticks, not for all of them at once.
constexpr int ticks_at_once = 4;

}  // namespace

TcpCore::TcpCore(const Stack::Config& config, Stack::Events& events, Sender& sender,
                 IcmpReporter& icmp, base::Random& random, base::WorkerCounters& counters)
    : config_(config),
      events_(events),
      sender_(sender),
      icmp_(icmp),
      counters_(counters),
      isn_key_{random.u64(), random.u64()},
      budget_(config.window_budget, config.out_of_order_bytes) {
  lwip_port::set_core(this, config.mtu);
  tcp_pcb* pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);
  BASE_ASSERT(pcb);
  // Port and argument are set for each SYN that is replayed.
  listener_ = reinterpret_cast<tcp_pcb_listen*>(tcp_listen(pcb));
  BASE_ASSERT(listener_);
  tcp_accept(reinterpret_cast<tcp_pcb*>(listener_), Flow::on_lwip_connected);
  tcp_listen_pcbs.listen_pcbs = nullptr;
}

TcpCore::~TcpCore() {
  for (std::size_t i = waiting_done_; i < waiting_count_; ++i) pbuf_free(waiting_[i].p);
  while (time_waits_.linked()) drop_time_wait(*static_cast<TimeWait*>(time_waits_.next->owner));
  BASE_ASSERT(connections_ == 0 && parked_count_ == 0);
  tcp_listen_pcbs.listen_pcbs = listener_;
  tcp_close(reinterpret_cast<tcp_pcb*>(listener_));
  lwip_port::set_core(nullptr, 0);
}

std::uint32_t TcpCore::initial_sequence_number(std::span<const std::byte> flow) const noexcept {
  // RFC 6528: a 4 microsecond clock plus a keyed hash of the connection.
  const auto clock = std::uint64_t(now_.time_since_epoch().count()) / 4000;
  return std::uint32_t(clock + base::siphash(isn_key_, flow));
}

std::unique_ptr<TcpConnection::Impl> TcpCore::accept(PendingSyn::Parked& parked,
                                                     TcpConnection::Events& events) noexcept {
  if (!parked.p) return nullptr;
  std::unique_ptr<Flow> flow(new (std::nothrow) Flow(*this, parked.key, events));
  if (!flow) {
    counters_.drops.add(base::Drop::no_buffer);
    return nullptr;
  }
  pbuf* syn = std::exchange(parked.p, nullptr);
  flow->traffic = parked.traffic;
  forget(parked);

  listener_->local_port = parked.key.server.port;
  listener_->callback_arg = flow.get();
  tcp_listen_pcbs.listen_pcbs = listener_;
  lwip_port::set_current(parked.key.client.address, parked.key.server.address);
  flushing_ = flow.get();
  tcp_input(syn, lwip_port::interface());
  flushing_ = nullptr;
  tcp_pcb* pcb = std::exchange(tcp_active_pcbs, nullptr);
  tcp_listen_pcbs.listen_pcbs = nullptr;
  if (!pcb) {
    counters_.drops.add(base::Drop::no_buffer);
    return nullptr;
  }
  start(*flow, pcb);
  flow->set_up_windows();
  make_dirty(*flow);  // its handshake is timed
  return flow;
}

std::unique_ptr<TcpConnection::Impl> TcpCore::connect(const base::FlowKey& key,
                                                      TcpConnection::Events& events) noexcept {
  if (FlowEntry* entry = table_.find(key)) {
    if (entry->kind != FlowEntry::Kind::time_wait) return nullptr;
    drop_time_wait(static_cast<TimeWait&>(*entry));
  }
  if (!table_.reserve()) return nullptr;
  std::unique_ptr<Flow> flow(new (std::nothrow) Flow(*this, key, events));
  if (!flow) return nullptr;
  tcp_pcb* pcb = tcp_new_ip_type(key.client.address.is_v4() ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6);
  if (!pcb) return nullptr;
  pcb->local_ip = lwip_port::to_lwip(key.server.address);
  pcb->local_port = key.server.port;
  const ip_addr_t client = lwip_port::to_lwip(key.client.address);
  flushing_ = flow.get();
  const err_t error = tcp_connect(pcb, &client, key.client.port, Flow::on_lwip_connected);
  flushing_ = nullptr;
  if (error != ERR_OK) {
    tcp_active_pcbs = nullptr;
    tcp_abort(pcb);
    return nullptr;
  }
  tcp_active_pcbs = nullptr;
  start(*flow, pcb);
  return flow;
}

void TcpCore::start(Flow& flow, tcp_pcb* pcb) noexcept {
  pcb->next = nullptr;
  flow.attach(pcb);
  table_.insert(flow);
  ++connections_;
  update_busy(flow);
}

// Who no longer needs the timer is taken out by the next tick: to unlink here would touch two other
// flows, which are hardly ever in the cache.
void TcpCore::update_busy(Flow& flow) noexcept {
  if (flow.busy.linked() || !flow.needs_timer()) return;
  if (!busy_.linked() && next_tick_ <= now_) next_tick_ = now_ + tick_interval;
  busy_.append(flow.busy);
}

void TcpCore::leave(Flow& flow) noexcept {
  flow.dirty.unlink(), flow.busy.unlink(), flow.noted.unlink(), flow.joining.unlink();
  if (flow.joined) pbuf_free(std::exchange(flow.joined, nullptr));
  flow.give_back_promises();
  if (!flow.listed) return;
  table_.remove(flow);
  --connections_;
}

void TcpCore::abort(Flow& flow) noexcept {
  leave(flow);
  if (!flow.pcb) return;
  tcp_pcb* pcb = flow.pcb;
  flow.detach();
  // An acknowledgement that was still owed would be sent before the RST.
  tcp_clear_flags(pcb, TF_ACK_DELAY | TF_ACK_NOW);
  PcbScope scope(pcb);
  const base::Time last = flow.traffic.last;
  flushing_ = &flow;
  tcp_abort(pcb);
  flushing_ = nullptr;
  flow.traffic.last = last;  // an RST for want of traffic is none
}

void TcpCore::forget(PendingSyn::Parked& parked) noexcept {
  if (!parked.listed) return;
  table_.remove(parked);
  --parked_count_;
}

void TcpCore::reset(PendingSyn::Parked& parked) noexcept {
  if (!parked.p) return;
  TcpView syn;
  syn.flags = TcpView::syn;
  syn.sequence = parked.sequence;
  send_reset(parked.key, syn);
  pbuf_free(std::exchange(parked.p, nullptr));
  forget(parked);
}

void TcpCore::reject(PendingSyn::Parked& parked, IcmpError error) noexcept {
  if (!parked.p) return;
  icmp_.report(error, parked.packet, {}, 0, now_);
  pbuf_free(std::exchange(parked.p, nullptr));
  forget(parked);
}

void TcpCore::enter_time_wait(Flow& flow) noexcept {
  tcp_pcb* pcb = flow.pcb;
  flow.detach();
  flow.end = Flow::End::closed;
  leave(flow);
  auto* waiting = new (std::nothrow) TimeWait(flow.key, pcb);
  if (!waiting) {
    PcbScope scope(pcb);
    return tcp_abort(pcb);
  }
  table_.insert(*waiting);
  ++time_wait_count_;
  renew(*waiting);
  while (time_wait_count_ > config_.time_wait_max)
    drop_time_wait(*static_cast<TimeWait*>(time_waits_.next->owner));
}

void TcpCore::renew(TimeWait& waiting) noexcept {
  waiting.until = now_ + time_wait_length;
  waiting.link.unlink();
  time_waits_.append(waiting.link);
}

void TcpCore::drop_time_wait(TimeWait& waiting) noexcept {
  {
    PcbScope scope(waiting.pcb);
    tcp_abort(waiting.pcb);  // frees it; no RST leaves in TIME_WAIT
  }
  table_.remove(waiting);
  --time_wait_count_;
  delete &waiting;
}

base::Time TcpCore::next_deadline() const noexcept {
  base::Time next = base::never;
  if (busy_.linked()) next = next_tick_;
  if (time_waits_.linked())
    next = std::min(next, static_cast<const TimeWait*>(time_waits_.next->owner)->until);
  return next;
}

void TcpCore::tick(base::Time now) noexcept {
  now_ = now;
  process_waiting();
  for (int i = 0; busy_.linked() && next_tick_ <= now; ++i) {
    if (i == ticks_at_once) {
      next_tick_ = now + tick_interval;
      break;
    }
    next_tick_ += tick_interval;
    run_timers();
    deliver_notes();
  }
  while (time_waits_.linked()) {
    auto& oldest = *static_cast<TimeWait*>(time_waits_.next->owner);
    if (oldest.until > now) break;
    drop_time_wait(oldest);
  }
}

void TcpCore::run_timers() noexcept {
  tcp_pcb** end = &tcp_active_pcbs;
  for (Link* link = busy_.next; link != &busy_;) {
    auto& flow = *static_cast<Flow*>(link->owner);
    link = link->next;
    prefetch(link->owner, sizeof(Flow));
    if (!flow.needs_timer()) {
      flow.busy.unlink();
      continue;
    }
    tcp_pcb* pcb = flow.pcb;
    // lwIP leaves the persist timer running when a probe is acknowledged and nothing is left, and
    // its next tick asserts that something is.
    if (!pcb->unsent || pcb->unacked) pcb->persist_backoff = 0;
    *end = pcb;
    end = &pcb->next;
  }
  *end = nullptr;
  tcp_tmr();
  tcp_active_pcbs = nullptr;

  for (Link* link = busy_.next; link != &busy_;) {
    auto& flow = *static_cast<Flow*>(link->owner);
    link = link->next;
    if (flow.pcb) {
      flow.pcb->next = nullptr;
      flow.count_out_of_order();
      update_busy(flow);
    } else {
      leave(flow);
      noted_.append(flow.noted);
    }
  }
}

void TcpCore::deliver_notes() noexcept {
  while (noted_.linked()) {
    auto& flow = *static_cast<Flow*>(noted_.next->owner);
    flow.noted.unlink();
    flow.deliver_notes();
  }
}

void TcpCore::deliver() noexcept {
  process_waiting();
  while (joining_.linked()) deliver_joined(*static_cast<Flow*>(joining_.next->owner));
}

void TcpCore::flush(base::Time now) noexcept {
  now_ = now;
  deliver();
  while (dirty_.linked()) {
    auto& flow = *static_cast<Flow*>(dirty_.next->owner);
    flow.dirty.unlink();
    if (flow.pcb) flush_flow(flow);
  }
}

void TcpCore::flush_flow(Flow& flow) noexcept {
  PcbScope scope(flow.pcb);
  const bool synchronised = flow.pcb->state != SYN_SENT && flow.pcb->state != SYN_RCVD;
  if (synchronised && flow.open_window()) tcp_set_flags(flow.pcb, TF_ACK_NOW);
  if (std::exchange(flow.ack_held, false)) tcp_set_flags(flow.pcb, TF_ACK_NOW);
  if (flow.wants_shutdown && !flow.shut_down && synchronised)
    flow.shut_down = tcp_shutdown(flow.pcb, 0, 1) == ERR_OK;
  flushing_ = &flow;
  tcp_output(flow.pcb);
  flushing_ = nullptr;
  flow.time_round_trip();
  flow.count_promises();
  update_busy(flow);
}

void TcpCore::add_usage(Stack::Usage& usage) const noexcept {
  usage.connections = connections_;
  usage.time_wait = time_wait_count_;
  usage.parked = parked_count_;
  usage.buffered_bytes = budget_.buffered();
  usage.promised_bytes = budget_.promised();
  usage.out_of_order_bytes = budget_.out_of_order();
}

}  // namespace culvert::netstack
