// The inside of a TcpConnection: the pcb, the notes that lwIP's callbacks take, and the accounts of
// the windows. Used by TcpCore and TcpConnection only.
#pragma once

#include "lwip/tcp.h"
#include "netstack/flow_table.hpp"
#include "netstack/stack.hpp"
#include "netstack/window_growth.hpp"

namespace culvert::netstack {

class TcpCore;

struct TcpConnection::Impl : FlowEntry {
  Impl(TcpCore& core, const base::FlowKey& key, Events& events) noexcept;
  ~Impl();

  // lwIP's callbacks: they take notes and return.
  void attach(tcp_pcb* its_pcb) noexcept;
  void detach() noexcept;  // lwIP forgets us; the pcb is someone else's or gone
  static err_t on_lwip_recv(void* self, tcp_pcb*, pbuf* p, err_t) noexcept;
  static err_t on_lwip_sent(void* self, tcp_pcb*, u16_t bytes) noexcept;
  static err_t on_lwip_connected(void* self, tcp_pcb*, err_t) noexcept;
  static void on_lwip_error(void* self, err_t error) noexcept;

  // Calls the events that the notes ask for. The flow may be gone afterwards.
  void deliver_notes() noexcept;

  std::size_t send_space() const noexcept;
  std::size_t send(base::Bytes data) noexcept;
  void consumed(std::size_t bytes) noexcept;
  // Opens the window as far as what was consumed allows; true if the client should be told.
  bool open_window() noexcept;
  void set_up_windows() noexcept;  // once, when both sides' options are known
  bool needs_timer() const noexcept;
  void time_round_trip() noexcept;     // after something was sent
  void count_promises() noexcept;      // for the budget: what the client may still send
  void count_out_of_order() noexcept;  // and what lwIP keeps of what came too early
  void give_back_promises() noexcept;  // the connection is over
  bool may_hold_ack() const noexcept { return pcb && pcb->state != TIME_WAIT; }
  void silence() noexcept;  // RST, and no event follows
  bool window_scaled() const noexcept { return (pcb->flags & TF_WND_SCALE) != 0; }

  TcpCore& core;
  Events* events;
  tcp_pcb* pcb = nullptr;     // null: the connection is over
  bool* destroyed = nullptr;  // set while events are being delivered

  // notes
  enum class End : std::uint8_t { none, reset, closed };
  Chain received;
  std::size_t acknowledged = 0;
  bool got_established = false, got_fin = false;
  End end = End::none;

  TcpTraffic traffic;

  bool established = false;
  bool wants_shutdown = false, shut_down = false;

  // windows
  std::size_t receive_limit = 0, unconsumed = 0;
  std::size_t promised = 0, out_of_order = 0;
  std::size_t send_limit = 0, lent = 0;
  WindowGrowth receive_growth{WindowGrowth::gain_up}, send_growth{WindowGrowth::gain_down};

  // One round trip is timed at a time: from sending byte `timed` to its acknowledgement.
  RoundTrip round_trip;
  base::Time timed_since = base::never;
  std::uint32_t timed = 0;

  // acknowledgements
  std::uint32_t last_ack = 0;  // the last number that left
  std::uint32_t held_ack = 0;
  bool ack_held = false;

  // segments that wait for following ones: a pbuf chain at the first one's TCP header
  pbuf* joined = nullptr;
  pbuf* joined_tail = nullptr;
  unsigned joined_count = 0;
  std::size_t joined_size = 0;    // payload
  std::uint32_t joined_next = 0;  // sequence number that would continue it

  Link dirty{this}, busy{this}, noted{this}, joining{this};
};

// A parked SYN: see PendingSyn.
struct PendingSyn::Parked : FlowEntry {
  Parked(TcpCore& of, const base::FlowKey& flow) noexcept
      : FlowEntry(Kind::parked, flow), core(of) {}
  ~Parked();

  TcpCore& core;
  pbuf* p = nullptr;  // at the TCP header; null: answered or cancelled
  base::Bytes packet;
  std::uint32_t sequence = 0;
  std::uint8_t ttl = 0;
  TcpTraffic traffic;  // `last` is that of the latest SYN
  TcpConnection::Events* watcher = nullptr;
};

}  // namespace culvert::netstack
