// A Proxy with a hand-made client on one side and real loopback sockets on the other. The clock of
// the flows stands still unless a test moves it; run_until() waits for the host's sockets only.
#pragma once

#include <poll.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <deque>

#include "proxy/host_socket.hpp"
#include "proxy/proxy.hpp"
#include "tests/support/tcp_client.hpp"

namespace culvert::test {

using proxy::FileDescriptor;

inline base::Endpoint local_of(int fd) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
  return base::Endpoint::from_sockaddr(bound);
}

// A real socket on loopback that plays the origin.
struct Origin {
  explicit Origin(int type, const char* address = "127.0.0.1")
      : fd(proxy::open_socket(ip(address), type)) {
    const int one = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    proxy::bind_to(fd.get(), {ip(address), 0});
    if (type == SOCK_STREAM) ::listen(fd.get(), 64);
  }
  base::Endpoint endpoint() const { return local_of(fd.get()); }
  FileDescriptor accept() {
    return FileDescriptor(::accept4(fd.get(), nullptr, nullptr, SOCK_NONBLOCK));
  }
  // One datagram and where it came from.
  std::optional<std::pair<ByteVector, base::Endpoint>> receive() {
    ByteVector data(65536);
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    const ssize_t n = ::recvfrom(fd.get(), data.data(), data.size(), MSG_DONTWAIT,
                                 reinterpret_cast<sockaddr*>(&from), &size);
    if (n < 0) return {};
    data.resize(std::size_t(n));
    return std::pair{data, base::Endpoint::from_sockaddr(from)};
  }
  void send(base::Bytes data, const base::Endpoint& to) {
    sockaddr_storage address;
    const socklen_t size = to.to_sockaddr(address);
    ::sendto(fd.get(), data.data(), data.size(), 0, reinterpret_cast<sockaddr*>(&address), size);
  }
  FileDescriptor fd;
};

class World {
 public:
  static proxy::Proxy::Config config() {
    proxy::Proxy::Config c;
    c.egress.allow.push_back(proxy::EgressRule::parse("127.0.0.0/8").value());
    c.egress.allow.push_back(proxy::EgressRule::parse("::1").value());
    c.stack.address4 = ip("10.8.0.1"), c.stack.address6 = ip("fd08::1");
    return c;
  }
  explicit World(proxy::Proxy::Config c = config(), proxy::Limits limits = {},
                 bool full_cone = false)
      : proxy(
            io, with_clock(std::move(c)), [this](const base::Pieces& p) { take(p); }, random,
            counters) {
    proxy.tick(now);
    proxy::ClientConfig client_config;
    client_config.addresses = {*base::Prefix::parse("10.8.0.2/32"),
                               *base::Prefix::parse("fd08::2/128")};
    client_config.limits = limits;
    client_config.full_cone = full_cone;
    client_config.controls = &controls;
    client = &proxy.add_client(client_config, peer, now);
  }

  proxy::Proxy::Config with_clock(proxy::Proxy::Config c) {
    c.clock = [this] { return now; };
    return c;
  }

  void take(const base::Pieces& packet) {
    peer.down_packets.add(), peer.down_bytes.add(packet.size());  // as the tunnel counts
    Sent sent;
    sent.packet.resize(packet.size());
    packet.copy_to(sent.packet);
    const auto view = base::IpView::parse(sent.packet);
    if (!view) return;
    sent.ip = *view;
    if (view->protocol == 6) sent.tcp = base::TcpView::parse(*view);
    if (view->protocol == 17) sent.udp = base::UdpView::parse(*view);
    if (view->protocol == 1 || view->protocol == 58) sent.icmp = base::IcmpView::parse(*view);
    queue.push_back(std::move(sent));
  }

  void inject(base::Bytes packet) {
    base::Packet p = pool.allocate();
    p.resize(packet.size());
    std::copy(packet.begin(), packet.end(), p.data());
    peer.up_packets.add(), peer.up_bytes.add(packet.size());
    proxy.input(std::move(p), now);
  }
  void turn() {
    io.restart();
    io.poll();
    proxy.flush(now);
  }
  // Turns the loop until `done`, at most two seconds of the host's time.
  template <class Done>
  bool run_until(Done&& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    while (true) {
      turn();
      if (done()) return true;
      if (std::chrono::steady_clock::now() > end) return false;
      io.restart();
      io.run_one_for(std::chrono::milliseconds(1));
    }
  }
  // A while in which nothing is expected to happen.
  void settle() {
    for (int i = 0; i < 20; ++i) turn(), ::poll(nullptr, 0, 1);
  }
  void advance(base::Duration by) {
    const base::Time end = now + by;
    while (proxy.next_deadline() <= end) {
      now = std::max(now, proxy.next_deadline());
      proxy.tick(now);
      turn();
    }
    now = end;
  }
  // The first packet waiting that `wanted` likes.
  template <class Wanted>
  std::optional<Sent> find(Wanted&& wanted) {
    for (auto at = queue.begin(); at != queue.end(); ++at) {
      if (!wanted(*at)) continue;
      Sent found = std::move(*at);
      queue.erase(at);
      return found;
    }
    return {};
  }
  std::optional<Sent> wait_icmp() {
    std::optional<Sent> found;
    run_until([&] { return bool(found = find([](const Sent& s) { return bool(s.icmp); })); });
    return found;
  }
  std::optional<Sent> wait_udp() {
    std::optional<Sent> found;
    run_until([&] { return bool(found = find([](const Sent& s) { return bool(s.udp); })); });
    return found;
  }
  std::uint64_t drops(base::Drop why) const { return counters.drops.get(why); }

  base::PacketPool pool{65536, 200000};
  FixedRandom random;
  base::WorkerCounters counters;
  base::PeerCounters peer;
  base::PeerControls controls;
  base::Time now{std::chrono::hours(1)};
  std::deque<Sent> queue;
  boost::asio::io_context io;
  proxy::Client* client = nullptr;
  proxy::Proxy proxy;
};

// A well-behaved TCP client: acknowledges what comes in order, unless told not to.
class HandClient {
 public:
  using F = base::TcpView;
  HandClient(World& world, base::Endpoint server, std::uint16_t port = 40000,
             const char* address = "10.8.0.2")
      : key{{ip(address), port}, server, base::Protocol::tcp}, world_(world) {}

  void send(std::uint8_t flags, base::Bytes payload = {}, std::uint8_t ttl = 64) {
    ByteVector upper(20);
    if (flags & F::syn) {
      const int options[] = {2, 4, 0x05, 0x64, 3, 3, 7, 0};
      for (int o : options) upper.push_back(std::byte(o));
    }
    base::store_be16(&upper[0], key.client.port), base::store_be16(&upper[2], key.server.port);
    base::store_be32(&upper[4], next), base::store_be32(&upper[8], flags & F::ack ? expected : 0);
    upper[12] = std::byte(upper.size() / 4 << 4), upper[13] = std::byte{flags};
    base::store_be16(&upper[14], window);
    upper.insert(upper.end(), payload.begin(), payload.end());
    base::IpHeaderSpec spec;
    spec.source = key.client.address, spec.destination = key.server.address;
    spec.protocol = 6, spec.ttl = ttl;
    set_checksum(upper, 16, spec);
    world_.inject(build_packet(spec, upper));
    next += std::uint32_t(payload.size()) + ((flags & (F::syn | F::fin)) ? 1u : 0u);
  }
  // Sends all of `data` as the window and the acknowledgements allow.
  std::size_t send_some(base::Bytes data) {
    std::size_t done = 0;
    while (done < data.size()) {
      const std::uint32_t flight = next - acked;
      const std::size_t n = std::min<std::size_t>(data.size() - done, 1300);
      if (flight + n > peer_window) break;
      send(F::ack | F::psh, data.subspan(done, n));
      done += n;
    }
    return done;
  }
  void receive() {
    bool news = false;
    while (auto sent = world_.find([&](const Sent& s) {
      return s.tcp && s.ip.source == key.server.address &&
             s.tcp->destination_port == key.client.port && s.tcp->source_port == key.server.port;
    })) {
      const F& tcp = *sent->tcp;
      if (tcp.flags & F::rst) reset = true;
      if (tcp.flags & F::syn) expected = tcp.sequence + 1, established = news = true;
      if (tcp.flags & F::ack) acked = tcp.acknowledgement;
      if (tcp.flags & F::syn) read_scale(tcp.options);
      peer_window = std::uint32_t(tcp.window) << (tcp.flags & F::syn ? 0 : scale_);
      if (tcp.sequence == expected && !tcp.payload.empty()) {
        received.insert(received.end(), tcp.payload.begin(), tcp.payload.end());
        expected += std::uint32_t(tcp.payload.size());
        news = true;
      }
      if ((tcp.flags & F::fin) && tcp.sequence + tcp.payload.size() == expected)
        fin = news = true, ++expected;
    }
    if (news && !silent) send(F::ack);
  }
  bool open() {
    send(F::syn);
    return world_.run_until([&] { return receive(), established || reset; }) && established;
  }
  template <class Done>
  bool run_until(Done&& done) {
    return world_.run_until([&] { return receive(), done(); });
  }

  base::FlowKey key;
  std::uint32_t next = 1000, expected = 0, acked = 0, peer_window = 65535;
  std::uint16_t window = 65535;
  bool established = false, fin = false, reset = false, silent = false;
  ByteVector received;

 private:
  void read_scale(base::Bytes options) {
    for (std::size_t i = 0; i + 2 < options.size();) {
      const int kind = std::to_integer<int>(options[i]);
      if (kind == 0) return;
      if (kind == 3) scale_ = std::to_integer<int>(options[i + 2]);
      i += kind == 1 ? 1 : std::max<std::size_t>(2, std::to_integer<std::size_t>(options[i + 1]));
    }
  }
  World& world_;
  int scale_ = 0;
};

}  // namespace culvert::test
