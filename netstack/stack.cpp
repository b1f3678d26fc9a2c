// The IP layer: what comes in is validated, joined from fragments, counted down and dispatched.
#include "netstack/stack.hpp"

#include <algorithm>
#include <cstring>

#include "base/checksum.hpp"
#include "base/headers.hpp"
#include "netstack/icmp.hpp"
#include "netstack/packet_pbuf.hpp"
#include "netstack/reassembly.hpp"
#include "netstack/sender.hpp"
#include "netstack/tcp_core.hpp"

namespace culvert::netstack {

using base::Bytes;
using base::Drop;
using base::IpAddress;
using base::IpView;

namespace {

enum : std::uint8_t { proto_icmp = 1, proto_tcp = 6, proto_udp = 17, proto_icmp6 = 58 };
enum : std::uint8_t { echo_reply4 = 0, echo_request4 = 8, echo_request6 = 128, echo_reply6 = 129 };

bool is_multicast_or_broadcast(const IpAddress& a) noexcept {
  if (a.is_v4())
    return a.v4_word() >= 0xe0000000 && (a.v4_word() < 0xf0000000 || a.v4_word() == ~0u);
  return a.bytes()[0] == std::byte{0xff};
}

}  // namespace

Quote::Quote(Bytes packet) noexcept : size_(std::uint8_t(std::min(packet.size(), max_size))) {
  std::memcpy(bytes_.data(), packet.data(), size_);
}

struct Stack::Impl {
  Impl(const Config& c, Events& e, base::Random& random, base::WorkerCounters& counted)
      : config(c),
        events(e),
        counters(counted),
        sender(e, random, c.mtu),
        icmp(config, sender, counted),
        reassembly({c.fragments_per_client, c.fragment_bytes_per_client, c.fragment_bytes}),
        tcp(config, e, sender, icmp, random, counted) {}

  bool is_own(const IpAddress& a) const noexcept {
    return a && (a == config.address4 || a == config.address6);
  }

  void input(base::Packet packet) noexcept;
  void input_fragment(const IpView& ip) noexcept;
  // `packet` is the buffer that `ip` views, or false if that belongs to someone else.
  void dispatch(const IpView& ip, base::Packet packet) noexcept;
  void input_tcp(const IpView& ip, base::Packet packet) noexcept;
  void input_udp(const IpView& ip) noexcept;
  void input_icmp(const IpView& ip) noexcept;
  void input_echo(const IpView& ip, const base::IcmpView& echo) noexcept;
  void input_icmp_error(const IpView& ip, const base::IcmpView& error) noexcept;
  Packets send_echo(const base::FlowKey& key, std::uint16_t sequence, Bytes payload,
                    std::uint8_t tos, std::uint8_t ttl) noexcept;
  Packets came_as(const IpView& ip) const noexcept {
    return joined_from.count ? joined_from : Packets{1, std::uint32_t(ip.packet.size())};
  }
  std::uint8_t ttl_after(const IpView& ip) const noexcept {
    return is_own(ip.destination) ? ip.ttl : std::uint8_t(ip.ttl - 1);
  }

  Config config;
  Events& events;
  base::WorkerCounters& counters;
  base::Time now{};
  Sender sender;
  IcmpReporter icmp;
  Reassembly reassembly;
  Packets joined_from;  // while a packet is dispatched that came in fragments
  TcpCore tcp;
};

void Stack::Impl::input(base::Packet packet) noexcept {
  const auto ip = IpView::parse(packet.bytes());
  if (!ip) return counters.drops.add(Drop::malformed);
  if (ip->source.is_unspecified() || is_multicast_or_broadcast(ip->source) || is_own(ip->source) ||
      ip->destination.is_unspecified() || is_multicast_or_broadcast(ip->destination))
    return counters.drops.add(Drop::bad_address);
  if (ip->ttl <= 1 && !is_own(ip->destination)) {
    counters.drops.add(Drop::ttl_expired);
    return icmp.report(IcmpError::ttl_exceeded, ip->packet, {}, 0, now);
  }
  if (ip->fragment) return input_fragment(*ip);
  dispatch(*ip, std::move(packet));
}

void Stack::Impl::input_fragment(const IpView& ip) noexcept {
  switch (reassembly.add(ip, now)) {
    case Reassembly::Outcome::waiting:
      return;
    case Reassembly::Outcome::refused:
      return counters.drops.add(Drop::fragment_refused);
    case Reassembly::Outcome::complete:
      break;
  }
  auto whole = IpView::parse(reassembly.packet());
  if (!whole || whole->fragment) return counters.drops.add(Drop::malformed);
  joined_from = reassembly.came_as();
  whole->dont_fragment = false;  // the client has cut it up itself, which IPv6 has no bit to say
  dispatch(*whole, {});
  joined_from = {};
}

void Stack::Impl::dispatch(const IpView& ip, base::Packet packet) noexcept {
  switch (ip.protocol) {
    case proto_tcp:
      return input_tcp(ip, std::move(packet));
    case proto_udp:
      return input_udp(ip);
    case proto_icmp:
      if (ip.source.is_v4()) return input_icmp(ip);
      break;
    case proto_icmp6:
      if (ip.source.is_v6()) return input_icmp(ip);
      break;
    case 59:
      return counters.drops.add(Drop::unsupported);  // RFC 8200 section 4.7: nothing follows
    default:
      break;
  }
  counters.drops.add(Drop::unsupported);
  icmp.report(IcmpError::protocol_unreachable, ip.packet, {}, 0, now);
}

void Stack::Impl::input_tcp(const IpView& ip, base::Packet packet) noexcept {
  const auto tcp_view = base::TcpView::parse(ip);
  if (!tcp_view) return counters.drops.add(Drop::malformed);
  if (config.verify_tcp_checksum &&
      upper_checksum(ip.source, ip.destination, proto_tcp, base::Pieces(ip.payload)) != 0)
    return counters.drops.add(Drop::bad_checksum);
  // What an origin does not read, or a client sends out of order, may stay for long. Others need
  // packets too, so from some number on a copy of the segment's own size stays instead.
  if (packet && lent_packets < config.lent_packets_max) {
    if (pbuf* p = lend_packet(std::move(packet), ip)) return tcp.input(p, ip, *tcp_view, now);
  } else if (pbuf* p = copy_packet(ip)) {
    const Bytes bytes(static_cast<std::byte*>(p->payload), p->len);
    const auto copied = IpView::parse(bytes);
    const auto view = base::TcpView::parse(*copied);
    pbuf_remove_header(p, copied->header_size);
    return tcp.input(p, *copied, *view, now);
  }
  counters.drops.add(Drop::no_buffer);
}

void Stack::Impl::input_udp(const IpView& ip) noexcept {
  // The payload leaves again under a checksum of its own, which must not make damage look good.
  const auto udp = base::UdpView::parse(ip, false);
  if (!udp) return counters.drops.add(Drop::malformed);
  if (!base::UdpView::parse(ip, true)) return counters.drops.add(Drop::bad_checksum);
  if (udp->destination_port == 0 || udp->source_port == 0)
    return counters.drops.add(Drop::malformed);
  UdpDatagram datagram;
  datagram.key = {
      {ip.source, udp->source_port}, {ip.destination, udp->destination_port}, base::Protocol::udp};
  datagram.ttl = ttl_after(ip), datagram.tos = ip.tos;
  datagram.dont_fragment = ip.dont_fragment;
  datagram.payload = udp->payload, datagram.packet = ip.packet;
  datagram.came_as = came_as(ip);
  events.on_udp(datagram);
}

void Stack::Impl::input_icmp(const IpView& ip) noexcept {
  const auto message = base::IcmpView::parse(ip);
  if (!message) return counters.drops.add(Drop::bad_checksum);
  const bool v4 = ip.source.is_v4();
  if (message->type == (v4 ? echo_request4 : echo_request6) && message->code == 0)
    return input_echo(ip, *message);
  if (v4 ? message->type == 3 : message->type >= 1 && message->type <= 4)
    return input_icmp_error(ip, *message);
  // Router and neighbour discovery, redirects, MLD and the rest mean nothing on a tunnel.
  counters.drops.add(Drop::unsupported);
}

void Stack::Impl::input_echo(const IpView& ip, const base::IcmpView& echo) noexcept {
  EchoRequest request;
  request.key = {{ip.source, echo.identifier()},
                 {ip.destination, 0},
                 ip.source.is_v4() ? base::Protocol::icmp : base::Protocol::icmp6};
  request.sequence = echo.sequence();
  request.payload = echo.payload;
  if (is_own(ip.destination))
    return void(send_echo(request.key, request.sequence, echo.payload, ip.tos, 64));
  request.ttl = ttl_after(ip), request.tos = ip.tos;
  request.dont_fragment = ip.dont_fragment;
  request.packet = ip.packet;
  request.came_as = came_as(ip);
  events.on_echo(request);
}

// The client refuses a datagram that we sent it. What it quotes must be a packet to itself: a
// client must not speak of another one's flows.
void Stack::Impl::input_icmp_error(const IpView& ip, const base::IcmpView& error) noexcept {
  const auto quoted = Quoted::parse(error.payload);
  if (!quoted || quoted->protocol != proto_udp || quoted->later_fragment ||
      quoted->upper.size() < 4 || quoted->destination != ip.source)
    return counters.drops.add(Drop::no_flow);
  const bool refused = ip.source.is_v4() ? error.code == 3 : error.type == 1 && error.code == 4;
  if (!refused) return counters.drops.add(Drop::unsupported);
  events.on_client_refused({{quoted->destination, base::load_be16(&quoted->upper[2])},
                            {quoted->source, base::load_be16(&quoted->upper[0])},
                            base::Protocol::udp});
}

Packets Stack::Impl::send_echo(const base::FlowKey& key, std::uint16_t sequence, Bytes payload,
                               std::uint8_t tos, std::uint8_t ttl) noexcept {
  const bool v4 = key.client.address.is_v4();
  std::array<std::byte, 8> header{};
  header[0] = std::byte{v4 ? echo_reply4 : echo_reply6};
  base::store_be16(&header[4], key.client.port);
  base::store_be16(&header[6], sequence);
  base::Pieces upper{Bytes(header)};
  upper.add(payload);
  const std::uint16_t sum =
      v4 ? base::checksum_finish(base::checksum_add(payload, base::checksum_add(header)))
         : upper_checksum(key.server.address, key.client.address, proto_icmp6, upper);
  base::store_be16(&header[2], sum);
  base::IpHeaderSpec spec;
  spec.source = key.server.address, spec.destination = key.client.address;
  spec.protocol = v4 ? proto_icmp : proto_icmp6;
  spec.ttl = ttl, spec.tos = tos;
  return sender.send(spec, upper);
}

Stack::Stack(Config config, Events& events, base::Random& random, base::WorkerCounters& counters)
    : impl_(std::make_unique<Impl>(config, events, random, counters)) {}
Stack::~Stack() = default;

void Stack::input(base::Packet packet, base::Time now) noexcept {
  impl_->now = now;
  impl_->input(std::move(packet));
}

void Stack::deliver(base::Time now) noexcept {
  impl_->now = now;
  impl_->tcp.deliver();
}

void Stack::flush(base::Time now) noexcept {
  impl_->now = now;
  impl_->tcp.flush(now);
}

void Stack::tick(base::Time now) noexcept {
  Impl& s = *impl_;
  s.now = now;
  s.tcp.tick(now);
  s.reassembly.expire(now, [&](Bytes first) {
    s.counters.drops.add(Drop::fragment_timeout);
    if (!first.empty()) s.icmp.report(IcmpError::reassembly_timeout, first, {}, 0, now);
  });
}

base::Time Stack::next_deadline() const noexcept {
  return std::min(impl_->tcp.next_deadline(), impl_->reassembly.next_deadline());
}

Packets Stack::send_udp(const base::FlowKey& key, Bytes payload, std::uint8_t tos,
                        std::uint8_t ttl) noexcept {
  constexpr std::size_t largest = 65535 - 8 - 20;
  if (payload.size() > largest) return {};
  std::array<std::byte, 8> header{};
  base::store_be16(&header[0], key.server.port);
  base::store_be16(&header[2], key.client.port);
  base::store_be16(&header[4], std::uint16_t(8 + payload.size()));
  base::Pieces upper{Bytes(header)};
  upper.add(payload);
  const std::uint16_t sum =
      upper_checksum(key.server.address, key.client.address, proto_udp, upper);
  base::store_be16(&header[6], sum == 0 ? 0xffff : sum);  // RFC 768: zero means none
  base::IpHeaderSpec spec;
  spec.source = key.server.address, spec.destination = key.client.address;
  spec.protocol = proto_udp, spec.ttl = ttl, spec.tos = tos;
  return impl_->sender.send(spec, upper);
}

Packets Stack::send_echo_reply(const base::FlowKey& key, std::uint16_t sequence, Bytes payload,
                               std::uint8_t tos, std::uint8_t ttl) noexcept {
  constexpr std::size_t largest = 65535 - 8 - 20;
  if (payload.size() > largest) return {};
  return impl_->send_echo(key, sequence, payload, tos, ttl);
}

void Stack::send_icmp_error(IcmpError error, Bytes quoted, const IpAddress& from,
                            std::uint32_t mtu) noexcept {
  impl_->icmp.report(error, quoted, from, mtu, impl_->now);
}

std::unique_ptr<TcpConnection> Stack::connect(const base::FlowKey& key,
                                              TcpConnection::Events& events) noexcept {
  auto flow = impl_->tcp.connect(key, events);
  if (!flow) return nullptr;
  return std::unique_ptr<TcpConnection>(new (std::nothrow) TcpConnection(std::move(flow)));
}

bool Stack::is_own(const IpAddress& address) const noexcept {
  return impl_->is_own(address);
}

Stack::Usage Stack::usage() const noexcept {
  Usage usage;
  impl_->tcp.add_usage(usage);
  usage.fragments = impl_->reassembly.datagrams();
  usage.fragment_bytes = impl_->reassembly.bytes();
  return usage;
}

}  // namespace culvert::netstack
