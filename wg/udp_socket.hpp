// UdpSocket: WireGuard's outer UDP sockets. The udp_* files are the only ones of wg/ that make
// system calls.
//
// It receives in batches (recvmmsg, UDP_GRO), keeps the senders' datagrams apart, and is the
// worker's Outbox: what was reserved in a loop turn leaves in one flush (sendmmsg, UDP_SEGMENT for
// runs of equal path and size). Where the kernel or the route refuses an offload it is switched off
// and the same packets go one by one. The local address of each datagram is kept (IP_PKTINFO,
// IPV6_RECVPKTINFO) and given back when answering; a local address that has vanished is forgotten
// and the datagram sent again without it.
//
// Sends that would block are dropped: UDP may. No error ever closes the socket.
// Outer DF is off (path MTU discovery disabled), so that a forged ICMP error cannot shrink us.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/counters.hpp"
#include "base/ip.hpp"
#include "wg/outbox.hpp"

namespace culvert::wg {

struct UdpOptions {
  bool gso = true, gro = true;                          // false: never tried
  int receive_buffer = 4 << 20, send_buffer = 4 << 20;  // asked for; the kernel may give less
  // Messages that may wait in hand_out()'s lines: as many as fill the kernel's buffer, so that a
  // burst that fitted there is whole. Memory is used as they come.
  std::size_t receive_places = 2048;
};

// Opens and binds one socket of a SO_REUSEPORT group, non-blocking, close-on-exec. An IPv6 socket
// is IPv6 only. Throws std::system_error naming address and port.
int bind_udp(const base::Endpoint& listen, bool reuse_port);

// Steers the datagrams of a SO_REUSEPORT group (all bound already; any one of them is `fd`) to the
// socket of the worker that is the low byte of the receiver index, modulo `workers` (the order in
// which they were bound); handshake initiations by a hash of the source. False if the kernel
// refuses.
bool steer_by_receiver_index(int fd, unsigned workers) noexcept;

class UdpSocket final : public Outbox {
 public:
  // Does not own the descriptors (the supervisor keeps them open across a worker's restart):
  // at most one of each family, -1 = none.
  UdpSocket(int fd_v4, int fd_v6, UdpOptions options, base::WorkerCounters& counters);
  ~UdpSocket() override;

  // Whose a datagram is, as far as can be told before it is opened; those that cannot be told have
  // one number.
  using SenderOf = std::function<std::uint32_t(base::Bytes datagram)>;
  // Reads what has come to one descriptor, as far as one turn can. There it waits for hand_out().
  // Where it is too much the sender with most waiting loses the oldest of it (Drop::no_buffer).
  void fetch(int fd, const SenderOf& sender_of) noexcept;

  using OnDatagram = std::function<void(base::MutableBytes datagram, const Path& from)>;
  using GoOn = std::function<bool()>;
  // Hands out what waits, in order of each sender, a few datagrams of one and then of the next,
  // until `go_on`, asked in between, says no; true if some are left.
  bool hand_out(const OnDatagram& on_datagram, const GoOn& go_on) noexcept;
  std::size_t senders_waiting() const noexcept;

  base::MutableBytes reserve(const Path& path, std::size_t size,
                             std::uint8_t tos) noexcept override;
  void cancel_last() noexcept override;
  void flush() noexcept;  // sends everything reserved; called at least once per loop turn
  bool pending() const noexcept;

  // For the start-up log and status: in use, or the reason why not.
  std::string gso_state() const;
  std::string gro_state() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert::wg
