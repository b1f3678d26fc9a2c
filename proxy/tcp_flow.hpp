// TcpFlow: one TCP connection of a client, carried on by one host socket.
//
//   dialling    the client's SYN is parked in netstack; the host socket connects to the origin
//   handshake   the client got its SYN-ACK; its ACK is awaited
//   open        bytes, FIN and RST pass in both directions
//   draining    the origin reset; the client gets what came before, then the reset
//   closed
//
// Up: on_data appends to `up_`; once per loop turn one sendmsg writes it to the host, and what the
// host took opens the client's window. Down: the host is read only while the connection has send
// space; what was read stays in `down_` until the client has acknowledged it. There is no other
// queue. Down, and up where the client has a limit, a flow moves bytes in its turn (shaper.hpp).
//
// A forward's flow starts at `handshake`, with the accepted host socket, and is the same after
// that.
#pragma once

#include <optional>

#include "netstack/stack.hpp"
#include "proxy/down_buffer.hpp"
#include "proxy/flow.hpp"
#include "proxy/flow_reporter.hpp"
#include "proxy/host_socket.hpp"
#include "proxy/shaper.hpp"

namespace culvert::proxy {

class TcpFlow final : public Flow, private netstack::TcpConnection::Events {
 public:
  TcpFlow(Context& context, ClientState& client, FileDescriptor host);
  ~TcpFlow() override;

  // Carries a client's SYN on. Policy and limits have been asked.
  static void dial(Context& context, ClientState& client, netstack::PendingSyn syn) noexcept;
  // Carries a host connection (of a forward) to a client.
  static void carry_to_client(Context& context, ClientState& client, FileDescriptor accepted,
                              const base::FlowKey& key) noexcept;

  void close() noexcept override;
  void on_turn() noexcept override;
  void on_ready(std::uint32_t events) noexcept override;
  base::Time on_deadline(base::Time now) noexcept override;
  void on_policy() noexcept override;
  void each_record(const Proxy::EachRecord& each) const override;

 private:
  enum class State : std::uint8_t { dialling, handshake, open, draining, closed };

  // tcp_dial.cpp
  void start_dial(netstack::PendingSyn syn) noexcept;
  void on_dial_event(std::uint32_t events) noexcept;
  base::Time dial_deadline() const noexcept;
  std::chrono::seconds no_progress_time() const noexcept;
  void on_dial_ended(int error) noexcept;
  void on_dial_failed(int error) noexcept;
  void start_handshake() noexcept;

  // tcp_record.cpp
  const base::FlowKey* key() const noexcept;
  const netstack::TcpTraffic& traffic() const noexcept;
  FlowRecord record(FlowRecord::End end) const noexcept;
  FlowRecord::State shown_state() const noexcept;
  base::Time run_interim(base::Time now) noexcept;  // returns the next
  void report_end() noexcept;

  // netstack::TcpConnection::Events
  void on_established() noexcept override;
  void on_data(netstack::Chain data) noexcept override;
  void on_fin() noexcept override;
  void on_sent(std::size_t bytes) noexcept override;
  void on_reset() noexcept override;
  void on_closed() noexcept override;

  void go_on_up() noexcept;
  void go_on_down() noexcept;
  Moved move_up(std::size_t most) noexcept;
  Moved read_down(std::size_t most) noexcept;
  std::size_t write_up(std::size_t most) noexcept;
  bool send_unsent() noexcept;
  std::size_t read_allowance() const noexcept;
  bool is_done() const noexcept;
  void wait_writable() noexcept;
  void shut_host() noexcept;
  void discard_up() noexcept;
  void on_origin_end() noexcept;
  void on_origin_error() noexcept;
  void finish_draining() noexcept;
  void finish() noexcept;  // both directions ended in order
  int fd() const noexcept { return host_.get(); }

  State state_ = State::dialling;
  bool dial_counted_ = false;
  bool client_fin_ = false, host_shut_ = false;  // up
  bool origin_fin_ = false;                      // down
  bool up_failed_ = false;                       // the origin takes no more
  bool connection_over_ = false;                 // on_closed came before the host had everything
  bool in_order_ = false;                        // close the host socket with FIN, not RST
  bool low_ttl_ = false;
  // What the host socket may have: true until a call says otherwise, then false until it changes.
  bool readable_ = false, writable_ = false;
  bool host_ended_ = false;  // nothing follows what there is to read
  bool wrote_ = false, no_delay_ = false, keeps_alive_ = false;
  bool forward_ = false;
  base::Time started_, last_progress_;
  FlowSpan span_;
  std::uint64_t payload_up_ = 0, payload_down_ = 0;

  std::optional<netstack::PendingSyn> syn_;
  netstack::Chain up_;
  DownBuffer down_;
  base::Bytes unsent_;  // the end of `down_` that the connection had no memory for
  std::unique_ptr<netstack::TcpConnection> connection_;
  FileDescriptor host_;
  Side<TcpFlow, &TcpFlow::move_up> up_side_{*this};
  Side<TcpFlow, &TcpFlow::read_down> down_side_{*this};
};

}  // namespace culvert::proxy
