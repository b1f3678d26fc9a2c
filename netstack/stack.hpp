// Stack: inner IP packets of all clients, terminated. One door in front of lwIP; no lwIP header is
// visible outside this folder.
//
// Packets from the tunnel go in by input(). What comes out are events: a SYN for a connection that
// does not exist yet (parked, nothing answered), a UDP datagram, an echo request; and packets for
// the tunnel by Events::output. Any destination address and port is served, IPv4 and IPv6.
//
// Our own IP layer validates, reassembles (bounded per client), counts down the TTL and dispatches;
// lwIP (2.2.1, unmodified) does TCP only. One Stack per process: lwIP's state is global.
//
// Nothing re-enters: a handler called from input() may call any function of Stack and of a
// TcpConnection except input() and tick().
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/counters.hpp"
#include "base/ip.hpp"
#include "base/packet.hpp"
#include "base/pieces.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "netstack/tcp_connection.hpp"

namespace culvert::netstack {

// What an error tells the client; mapped to ICMP and ICMPv6 (RFC 792, RFC 1122 3.2.2.1, RFC 4443).
enum class IcmpError : std::uint8_t {
  net_unreachable,       // v4 3/0   v6 1/0 no route
  host_unreachable,      // v4 3/1   v6 1/3 address unreachable
  protocol_unreachable,  // v4 3/2   v6 4/1 unrecognised next header
  port_unreachable,      // v4 3/3   v6 1/4
  prohibited,            // v4 3/13  v6 1/1
  too_big,               // v4 3/4   v6 2/0; carries the MTU
  ttl_exceeded,          // v4 11/0  v6 3/0
  reassembly_timeout,    // v4 11/1  v6 3/1
};

// The start of a client's packet, kept so that an ICMP error can quote it later: the IP header and
// at least 8 bytes behind it.
class Quote {
 public:
  static constexpr std::size_t max_size = 128;
  Quote() = default;
  explicit Quote(base::Bytes packet) noexcept;  // keeps the first max_size bytes
  base::Bytes bytes() const noexcept { return {bytes_.data(), size_}; }

 private:
  std::array<std::byte, max_size> bytes_;
  std::uint8_t size_ = 0;
};

// As how many inner packets, of how many bytes with headers, a datagram came or left.
struct Packets {
  std::uint32_t count = 0;
  std::uint32_t bytes = 0;
  Packets& operator+=(const Packets& more) noexcept {
    count += more.count, bytes += more.bytes;
    return *this;
  }
};

struct UdpDatagram {
  base::FlowKey key;
  std::uint8_t ttl = 0;  // already counted down; >= 1
  std::uint8_t tos = 0;
  bool dont_fragment = false;
  base::Bytes payload;  // may be empty
  base::Bytes packet;   // the whole IP packet, put together where it came in fragments
  Packets came_as;
};

struct EchoRequest {
  base::FlowKey key;  // client.port = identifier
  std::uint16_t sequence = 0;
  std::uint8_t ttl = 0;
  std::uint8_t tos = 0;
  bool dont_fragment = false;
  base::Bytes payload;
  base::Bytes packet;
  Packets came_as;
};

// A SYN parked outside lwIP while the origin is dialled. Retransmissions of it are swallowed until
// it is answered. Move-only; one that dies unanswered is forgotten without a word (silence).
class PendingSyn {
 public:
  struct Parked;  // netstack's own
  PendingSyn() = default;
  explicit PendingSyn(std::unique_ptr<Parked> parked) noexcept;
  ~PendingSyn();
  PendingSyn(PendingSyn&&) noexcept;
  PendingSyn& operator=(PendingSyn&&) noexcept;

  explicit operator bool() const noexcept { return parked_ != nullptr; }
  const base::FlowKey& key() const noexcept;
  std::uint8_t ttl() const noexcept;
  base::Bytes packet() const noexcept;  // the SYN, for quoting

  // When the client sent it last. One that has gone away does not repeat it.
  base::Time last_seen() const noexcept;
  const TcpTraffic& traffic() const noexcept;  // it and its repetitions
  // on_reset() is called if the client takes the SYN back; it may destroy this.
  void watch(TcpConnection::Events& owner) noexcept;

  // Replays the SYN into lwIP, which answers it. The connection is in SYN_RCVD; on_established
  // follows. Nothing if lwIP has no memory for it (the client will retransmit).
  std::unique_ptr<TcpConnection> accept(TcpConnection::Events& events) noexcept;
  void reset() noexcept;                  // answers RST (RFC 9293 section 3.10.7.1)
  void reject(IcmpError error) noexcept;  // answers ICMP, from the tunnel address

 private:
  std::unique_ptr<Parked> parked_;
};

class Stack {
 public:
  struct Config {
    std::size_t mtu = 1420;                 // of the tunnel; from 576, with address6 from 1280
    base::IpAddress address4, address6;     // our own tunnel addresses; none = family not served
    std::size_t fragments_per_client = 64;  // pending datagrams
    std::size_t fragment_bytes_per_client = 1 << 20;
    std::size_t fragment_bytes = 8 << 20;       // all clients
    std::size_t receive_window_max = 16 << 20;  // per flow; grows with use from 64 KiB
    std::size_t send_buffer_max = 16 << 20;     // per flow; likewise
    // All flows together: half for what hosts have not taken, half for what clients have not
    // acknowledged; near it the largest windows fall to 16 KiB and new ones start there
    // (budget.hpp).
    std::size_t window_budget = 512 << 20;
    std::size_t out_of_order_bytes = 64 << 20;  // all flows; above it such data is dropped
    std::size_t time_wait_max = 4096;
    // From so many flows on, input() gathers a few TCP packets to overlap their ways to memory.
    // They are processed by the following ones, by deliver() or by flush().
    std::size_t gather_from = 1024;
    // A packet has passed the AEAD, so that a TCP checksum could only be wrong since before the
    // client's tunnel. The origin gets the bytes under a new one: checking keeps end to end honest,
    // at a few percent of a packet's cost.
    bool verify_tcp_checksum = false;
    std::size_t lent_packets_max = 16384;  // packets of the pool that TCP may hold; then it copies
  };

  class Events {
   public:
    virtual ~Events() = default;
    // A new TCP connection is asked for. May be answered at once or kept.
    virtual void on_syn(PendingSyn syn) noexcept = 0;
    virtual void on_udp(const UdpDatagram& datagram) noexcept = 0;
    virtual void on_echo(const EchoRequest& request) noexcept = 0;
    // The client says (by ICMP error) that a UDP datagram to key.client was not wanted.
    virtual void on_client_refused(const base::FlowKey& key) noexcept = 0;
    // A whole inner packet for the tunnel; the bytes are valid during the call.
    virtual void output(const base::Pieces& packet) noexcept = 0;
  };

  Stack(Config config, Events& events, base::Random& random, base::WorkerCounters& counters);
  ~Stack();  // every TcpConnection and PendingSyn must be gone
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  // One inner packet, as the device delivers it. Its source is trusted to be the client's.
  void input(base::Packet packet, base::Time now) noexcept;
  // Delivers what input() keeps back: packets gathered (Config::gather_from), and segments to be
  // joined with following ones. flush() begins with it; an owner that writes to its host sockets
  // before flush() calls it before that.
  void deliver(base::Time now) noexcept;
  // Once per loop turn, after the inputs: sends acknowledgements and data held back until then.
  void flush(base::Time now) noexcept;

  void tick(base::Time now) noexcept;
  base::Time next_deadline() const noexcept;  // base::never while nothing waits

  // From the origin to the client: source = key.server, destination = key.client. Fragmented to the
  // tunnel MTU. `ttl` is what remains.
  Packets send_udp(const base::FlowKey& key, base::Bytes payload, std::uint8_t tos = 0,
                   std::uint8_t ttl = 64) noexcept;
  Packets send_echo_reply(const base::FlowKey& key, std::uint16_t sequence, base::Bytes payload,
                          std::uint8_t tos = 0, std::uint8_t ttl = 64) noexcept;
  // Tells the client why its packet `quoted` (an IP packet of its own) failed. `from` is the router
  // or origin that said so; none = our tunnel address. Rate-limited per client (50/s).
  void send_icmp_error(IcmpError error, base::Bytes quoted, const base::IpAddress& from = {},
                       std::uint32_t mtu = 0) noexcept;

  // Opens a connection to a client (port forwards): from = key.server, to = key.client.
  std::unique_ptr<TcpConnection> connect(const base::FlowKey& key,
                                         TcpConnection::Events& events) noexcept;

  bool is_own(const base::IpAddress& address) const noexcept;  // a tunnel address of ours

  struct Usage {
    std::size_t connections = 0, time_wait = 0, parked = 0;
    std::size_t fragments = 0, fragment_bytes = 0, buffered_bytes = 0;
    std::size_t promised_bytes = 0, out_of_order_bytes = 0;
  };
  Usage usage() const noexcept;

 private:
  friend class PendingSyn;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert::netstack
