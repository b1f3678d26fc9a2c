// A TCP client made by hand: it builds every segment itself, so a test may break each rule of the
// protocol. And the wire to a Stack: whatever the stack emits is parsed, its checksums are checked,
// and it waits in a queue. Time stands still unless a test moves it.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <vector>

#include "base/checksum.hpp"
#include "base/counters.hpp"
#include "base/headers.hpp"
#include "base/packet.hpp"
#include "base/random.hpp"
#include "netstack/stack.hpp"

namespace culvert::test {

using ByteVector = std::vector<std::byte>;

inline base::Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline ByteVector vector_of(std::string_view text) {
  const base::Bytes bytes = bytes_of(text);
  return {bytes.begin(), bytes.end()};
}
inline std::string_view text_of(base::Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
// Bytes that differ from place to place, so that a shift or a swap is seen.
inline ByteVector pattern(std::size_t size, std::size_t start = 0) {
  ByteVector out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = std::byte((start + i) * 2654435761u >> 13 & 0xff);
  return out;
}

// Random numbers that repeat from run to run.
class FixedRandom final : public base::Random {
 public:
  explicit FixedRandom(std::uint64_t seed = 1) : state_(seed * 2 + 1) {}
  void fill(base::MutableBytes out) noexcept override {
    for (std::byte& b : out) {
      state_ = state_ * 6364136223846793005u + 1442695040888963407u;
      b = std::byte(state_ >> 56);
    }
  }

 private:
  std::uint64_t state_;
};

inline base::IpAddress ip(std::string_view text) {
  return *base::IpAddress::parse(text);
}
inline base::Endpoint endpoint(std::string_view address, std::uint16_t port) {
  return {ip(address), port};
}

inline ByteVector build_packet(const base::IpHeaderSpec& spec, base::Bytes upper) {
  std::array<std::byte, base::max_ip_header> header;
  const std::size_t size = base::build_ip_header(spec, upper.size(), header);
  ByteVector packet(header.begin(), header.begin() + std::ptrdiff_t(size));
  packet.insert(packet.end(), upper.begin(), upper.end());
  return packet;
}

// Fills in the checksum of a TCP, UDP or ICMPv6 header at `field`.
inline void set_checksum(ByteVector& upper, std::size_t field, const base::IpHeaderSpec& spec) {
  base::store_be16(&upper[field], 0);
  std::uint64_t sum = base::pseudo_header_sum(spec.source, spec.destination, spec.protocol,
                                              std::uint32_t(upper.size()));
  sum = base::checksum_add(upper, sum);
  base::store_be16(&upper[field], base::checksum_finish(sum));
}

struct UdpSpec {
  base::FlowKey key;
  std::uint8_t ttl = 64;
  std::uint8_t tos = 0;
};
inline ByteVector build_udp_upper(const UdpSpec& udp, base::Bytes payload) {
  ByteVector upper(8);
  base::store_be16(&upper[0], udp.key.client.port);
  base::store_be16(&upper[2], udp.key.server.port);
  base::store_be16(&upper[4], std::uint16_t(8 + payload.size()));
  upper.insert(upper.end(), payload.begin(), payload.end());
  base::IpHeaderSpec spec;
  spec.source = udp.key.client.address, spec.destination = udp.key.server.address;
  spec.protocol = 17;
  set_checksum(upper, 6, spec);
  return upper;
}
inline ByteVector build_udp(const UdpSpec& udp, base::Bytes payload) {
  base::IpHeaderSpec spec;
  spec.source = udp.key.client.address, spec.destination = udp.key.server.address;
  spec.protocol = 17, spec.ttl = udp.ttl, spec.tos = udp.tos;
  return build_packet(spec, build_udp_upper(udp, payload));
}

inline ByteVector build_echo(const base::IpAddress& client, const base::IpAddress& server,
                             std::uint16_t identifier, std::uint16_t sequence, base::Bytes payload,
                             std::uint8_t ttl = 64) {
  ByteVector upper(8);
  upper[0] = std::byte(client.is_v4() ? 8 : 128);
  base::store_be16(&upper[4], identifier);
  base::store_be16(&upper[6], sequence);
  upper.insert(upper.end(), payload.begin(), payload.end());
  base::IpHeaderSpec spec;
  spec.source = client, spec.destination = server, spec.ttl = ttl;
  spec.protocol = client.is_v4() ? 1 : 58;
  if (client.is_v4())
    base::store_be16(&upper[2], base::checksum_finish(base::checksum_add(upper)));
  else
    set_checksum(upper, 2, spec);
  return build_packet(spec, upper);
}

// Parts of at most `size` bytes (a multiple of 8) of one IP packet's upper layer.
inline std::vector<ByteVector> build_fragments(base::IpHeaderSpec spec, base::Bytes upper,
                                               std::size_t size, std::uint32_t id) {
  std::vector<ByteVector> out;
  for (std::size_t at = 0; at < upper.size(); at += size) {
    const std::size_t n = std::min(size, upper.size() - at);
    spec.id = std::uint16_t(id);
    spec.fragment = base::FragmentInfo{id, std::uint16_t(at), at + n < upper.size()};
    out.push_back(build_packet(spec, upper.subspan(at, n)));
  }
  return out;
}

// A packet that the stack has sent.
struct Sent {
  ByteVector packet;
  base::IpView ip;
  std::optional<base::TcpView> tcp;
  std::optional<base::UdpView> udp;
  std::optional<base::IcmpView> icmp;

  bool has(std::uint8_t flags) const { return tcp && (tcp->flags & flags) == flags; }
  std::string_view text() const {
    return text_of(tcp ? tcp->payload : udp ? udp->payload : base::Bytes{});
  }
};

// The stack's surroundings: a pool, counters, a clock, and the queue of what it has sent. A test
// overrides the events that it is interested in.
class Wire : public netstack::Stack::Events {
 public:
  explicit Wire(netstack::Stack::Config config = default_config())
      : stack(config, *this, random, counters) {}

  static netstack::Stack::Config default_config() {
    netstack::Stack::Config config;
    config.address4 = ip("10.8.0.1");
    config.address6 = ip("fd08::1");
    return config;
  }

  void on_syn(netstack::PendingSyn syn) noexcept override {
    syns.push_back(std::move(syn));
    if (when_syn) when_syn();
  }
  void on_udp(const netstack::UdpDatagram& d) noexcept override {
    if (when_udp) when_udp(d);
  }
  void on_echo(const netstack::EchoRequest& e) noexcept override {
    if (when_echo) when_echo(e);
  }
  void on_client_refused(const base::FlowKey& key) noexcept override { refused.push_back(key); }
  void output(const base::Pieces& packet) noexcept override { take(packet); }

  // Parses one packet of the stack's. A wrong checksum is counted, and the packet is still queued.
  void take(const base::Pieces& packet) {
    Sent sent;
    sent.packet.resize(packet.size());
    packet.copy_to(sent.packet);
    const auto view = base::IpView::parse(sent.packet);
    if (!view) {
      ++malformed;
      return;
    }
    sent.ip = *view;
    if (!view->fragment) {
      if (view->protocol == 6) sent.tcp = base::TcpView::parse(*view);
      if (view->protocol == 17) sent.udp = base::UdpView::parse(*view);
      if (view->protocol == 1 || view->protocol == 58) sent.icmp = base::IcmpView::parse(*view);
      const bool whole = sent.tcp || sent.udp || sent.icmp;
      const auto sum = base::checksum_add(
          view->payload, view->protocol == 1 ? 0
                                             : base::pseudo_header_sum(
                                                   view->source, view->destination, view->protocol,
                                                   std::uint32_t(view->payload.size())));
      if (!whole || base::checksum_finish(sum) != 0) ++malformed;
    }
    if (packet.size() > mtu_seen) mtu_seen = packet.size();
    queue.push_back(std::move(sent));
  }

  // A packet from the client. Nothing leaves the stack for it before flush().
  void inject(base::Bytes packet) {
    base::Packet p = pool.allocate();
    if (!p || packet.size() > p.capacity()) {
      ++not_injected;
      return;
    }
    p.resize(packet.size());
    std::copy(packet.begin(), packet.end(), p.data());
    stack.input(std::move(p), now);
  }
  void flush() { stack.flush(now); }
  void inject_and_flush(base::Bytes packet) { inject(packet), flush(); }

  // The next packet the stack has sent; nothing if it has sent none.
  std::optional<Sent> next() {
    if (queue.empty()) return std::nullopt;
    Sent sent = std::move(queue.front());
    queue.pop_front();
    return sent;
  }
  void clear() { queue.clear(); }

  // Moves the clock, running the stack's timers when they are due.
  void advance(base::Duration by) {
    const base::Time end = now + by;
    while (stack.next_deadline() <= end) {
      now = std::max(now, stack.next_deadline());
      stack.tick(now);
      stack.flush(now);
    }
    now = end;
  }

  base::PacketPool pool{65536, 200000};
  FixedRandom random;
  base::WorkerCounters counters;
  base::Time now{std::chrono::hours(1)};
  std::deque<Sent> queue;
  std::vector<base::FlowKey> refused;
  std::function<void()> when_syn;
  std::function<void(const netstack::UdpDatagram&)> when_udp;
  std::function<void(const netstack::EchoRequest&)> when_echo;
  std::size_t malformed = 0, not_injected = 0, mtu_seen = 0;
  netstack::Stack stack;
  std::vector<netstack::PendingSyn> syns;  // must go before the stack
};

// What a connection's owner sees, written down.
class Recorder : public netstack::TcpConnection::Events {
 public:
  void on_established() noexcept override { established = true; }
  void on_data(netstack::Chain data) noexcept override {
    for (base::Bytes part : data.pieces())
      received.insert(received.end(), part.begin(), part.end());
    received_bytes += data.size();
    if (keep) {
      kept.append(std::move(data));
    } else if (connection) {
      connection->consumed(data.size());
    }
  }
  void on_fin() noexcept override { fin = true; }
  void on_sent(std::size_t bytes) noexcept override { sent += bytes; }
  void on_reset() noexcept override { reset = true; }
  void on_closed() noexcept override { closed = true; }

  std::string_view text() const { return text_of(received); }

  std::unique_ptr<netstack::TcpConnection> connection;
  bool established = false, fin = false, reset = false, closed = false;
  bool keep = false;  // leave the data unconsumed
  ByteVector received;
  std::size_t received_bytes = 0, sent = 0;
  netstack::Chain kept;
};

// The client's side of one connection. `next` and `expected` follow what was sent and received in
// order; a test may set them as it likes.
class TcpClient {
 public:
  using F = base::TcpView;

  TcpClient(Wire& wire, base::Endpoint client, base::Endpoint server, std::uint32_t isn = 1000)
      : wire_(wire), key{client, server, base::Protocol::tcp}, next(isn) {}

  struct Segment {
    std::uint8_t flags = F::ack;
    base::Bytes payload{};
    std::optional<std::uint32_t> sequence{}, acknowledgement{};
    ByteVector options{};
    std::optional<std::uint16_t> window{};
    std::uint8_t ttl = 64;
  };

  ByteVector build(const Segment& s) const {
    ByteVector options = s.options;
    while (options.size() % 4) options.push_back(std::byte{0});
    ByteVector upper(20);
    base::store_be16(&upper[0], key.client.port);
    base::store_be16(&upper[2], key.server.port);
    base::store_be32(&upper[4], s.sequence.value_or(next));
    base::store_be32(&upper[8], s.flags & F::ack ? s.acknowledgement.value_or(expected) : 0);
    upper[12] = std::byte((20 + options.size()) / 4 << 4);
    upper[13] = std::byte{s.flags};
    base::store_be16(&upper[14], s.window.value_or(window));
    upper.insert(upper.end(), options.begin(), options.end());
    upper.insert(upper.end(), s.payload.begin(), s.payload.end());
    base::IpHeaderSpec spec;
    spec.source = key.client.address, spec.destination = key.server.address;
    spec.protocol = 6, spec.ttl = s.ttl;
    set_checksum(upper, 16, spec);
    return build_packet(spec, upper);
  }

  // Sends without touching `next`.
  void send_raw(const Segment& s) { wire_.inject(build(s)); }
  // Sends and counts what it takes of the sequence space.
  void send(const Segment& s) {
    send_raw(s);
    if (!s.sequence)
      next += std::uint32_t(s.payload.size()) + ((s.flags & (F::syn | F::fin)) ? 1u : 0u);
  }
  void send_data(base::Bytes data) { send({.flags = F::ack | F::psh, .payload = data}); }
  void ack() { send_raw({}); }

  // MSS, window scale, SACK permitted, as a common host sends them.
  static ByteVector syn_options(std::uint16_t mss = 1380, int scale = 7) {
    ByteVector o{std::byte{2},          std::byte{4}, std::byte(mss >> 8),
                 std::byte(mss & 0xff), std::byte{4}, std::byte{2}};
    if (scale >= 0) o.insert(o.end(), {std::byte{3}, std::byte{3}, std::byte(scale)});
    return o;
  }
  void send_syn(ByteVector options = syn_options()) {
    send({.flags = F::syn, .options = std::move(options)});
  }

  // Takes the packets waiting on the wire that belong to this connection, following sequence
  // numbers: in-order payload goes to `received`. Returns all of them.
  std::vector<Sent> receive() {
    std::vector<Sent> out;
    for (auto at = wire_.queue.begin(); at != wire_.queue.end();) {
      if (!mine(*at)) {
        ++at;
        continue;
      }
      follow(*at->tcp);
      out.push_back(std::move(*at));
      at = wire_.queue.erase(at);
    }
    return out;
  }

  void follow(const F& tcp) {
    if (tcp.flags & F::rst) reset = true;
    if (tcp.flags & F::syn) expected = tcp.sequence + 1;
    if (tcp.flags & F::ack) {
      acked = tcp.acknowledgement;
      peer_window = tcp.window;
    }
    // What is new of the payload, if it follows on; a repetition may reach beyond what is known.
    const std::size_t known = expected - tcp.sequence;
    if (known < tcp.payload.size()) {
      const base::Bytes fresh = tcp.payload.subspan(known);
      received.insert(received.end(), fresh.begin(), fresh.end());
      expected += std::uint32_t(fresh.size());
    }
    if ((tcp.flags & F::fin) && tcp.sequence + tcp.payload.size() == expected) {
      fin = true;
      ++expected;
    }
  }

  // The three-way handshake, with the proxy's part played by `owner`.
  bool open(Recorder& owner, ByteVector options = syn_options(), base::Duration round_trip = {}) {
    const std::size_t before = wire_.syns.size();
    send_syn(std::move(options));
    if (wire_.syns.size() != before + 1) return false;
    netstack::PendingSyn syn = std::move(wire_.syns.back());
    wire_.syns.pop_back();
    owner.connection = syn.accept(owner);
    if (!owner.connection) return false;
    wire_.flush();
    wire_.advance(round_trip);
    receive();
    ack();
    wire_.flush();
    return owner.established;
  }

  std::string_view text() const { return text_of(received); }

  bool mine(const Sent& sent) const {
    return sent.tcp && sent.ip.source == key.server.address &&
           sent.ip.destination == key.client.address && sent.tcp->source_port == key.server.port &&
           sent.tcp->destination_port == key.client.port;
  }

 private:
  Wire& wire_;

 public:
  base::FlowKey key;
  std::uint32_t next;
  std::uint32_t expected = 0, acked = 0;
  std::uint16_t window = 65535, peer_window = 0;
  bool fin = false, reset = false;
  ByteVector received;
};

}  // namespace culvert::test
