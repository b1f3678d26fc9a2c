#include "proxy/udp_flow.hpp"

#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>

#include "proxy/context.hpp"
#include "proxy/error_queue.hpp"

namespace culvert::proxy {
namespace {

using netstack::IcmpError;

// How long an answer of the egress policy stands for a mapping: routes may change.
constexpr auto check_time = std::chrono::seconds(30);
// Receive calls of one mapping in a loop turn.
constexpr int receive_rounds = 4;
// A socket with so much to read at once gains from UDP_GRO and a larger buffer.
constexpr int busy_messages = 4;
constexpr int busy_buffer = 2 << 20;

// With its headers no more than what every path carries today (the IPv6 minimum), so that its own
// rule is worth no system call.
constexpr std::size_t small_datagram = 1280 - 40 - 8;
// With less it is not an application's datagram but a traceroute's.
constexpr int traceroute_ttl = 32;

// What came in fragments may leave in fragments (IPv6 says "don't" of every packet).
Fragments rule_of(const netstack::UdpDatagram& datagram) noexcept {
  if (datagram.payload.size() <= small_datagram) return Fragments::any;
  const bool refuses = datagram.dont_fragment && datagram.payload.size() < datagram.packet.size();
  return refuses ? Fragments::refused : Fragments::allowed;
}

}  // namespace

UdpFlow::UdpFlow(Context& context, ClientState& client, const base::Endpoint& from,
                 FileDescriptor host)
    : Flow(context, client, Kind::udp), from_(from), host_(std::move(host)) {}

base::FlowKey UdpFlow::mapping_key(const base::Endpoint& client) noexcept {
  return {client, {}, base::Protocol::udp};
}

void UdpFlow::carry(Context& context, ClientState& client,
                    const netstack::UdpDatagram& datagram) noexcept try {
  auto* flow = static_cast<UdpFlow*>(context.table.find(mapping_key(datagram.key.client)));
  if (flow) {
    if (flow->may_send(datagram)) flow->send(datagram);
    return;
  }
  if (const auto refused =
          context.refuses(client, datagram.key.server, base::Protocol::udp, Context::Opening::anew))
    return context.stack->send_icmp_error(*refused, datagram.packet);
  if (const auto refused = context.table.admit_udp(client, context.now()))
    return context.deny(client, *refused);
  flow = open(context, client, datagram);
  if (!flow) return;
  flow->add_target(datagram.key.server).checked = context.now();
  flow->send(datagram);
} catch (const std::exception&) {
  context.counters.drops.add(base::Drop::no_buffer);
}

UdpFlow* UdpFlow::open(Context& context, ClientState& client,
                       const netstack::UdpDatagram& datagram) noexcept {
  const base::Endpoint& from = datagram.key.client;
  FileDescriptor host = open_socket(from.address, SOCK_DGRAM);
  if (!host) {
    context.deny(client,
                 is_local_shortage(errno) ? base::Drop::flow_cap : base::Drop::host_refused);
    return nullptr;
  }
  const base::IpAddress& source = context.source_for(from.address);
  const base::IpAddress& local = source ? source : base::IpAddress::any(from.address.family());
  const bool has_port = from.port >= 1024 && bind_to(host.get(), {local, from.port}) == 0;
  // Without a source address the first send chooses the port.
  if (!has_port && source && bind_to(host.get(), {source, 0}) != 0) {
    context.deny(client, base::Drop::host_refused);
    return nullptr;
  }
  set_receive_errors(host.get(), from.address, true);
  auto flow = std::make_unique<UdpFlow>(context, client, from, std::move(host));
  UdpFlow* const opened = flow.get();
  context.table.insert(mapping_key(from), *opened);
  const Limits& limits = client.config.limits;
  const base::Time idle = context.now() + std::min(limits.udp_idle, limits.udp_idle_dns);
  context.table.add(std::move(flow), std::min(idle, context.reporter.first_interim(context.now())),
                    context.now());
  if (context.poller.add_for_reading(opened->fd(), *opened)) return opened;
  context.counters.drops.add(base::Drop::no_buffer);
  opened->close();
  return nullptr;
}

// An answer's ECN bits mean nothing to a client that does not use them.
void UdpFlow::hear_ecn() noexcept {
  hears_ecn_ = true;
  if (from_.address.is_v4())
    set_option(fd(), IPPROTO_IP, IP_RECVTOS, 1);
  else
    set_option(fd(), IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
}

bool UdpFlow::may_send(const netstack::UdpDatagram& datagram) noexcept {
  const base::Endpoint& server = datagram.key.server;
  Targets::Target* target = targets_.find(server);
  const bool is_known = target && !target->is_stranger();
  if (is_known && context_.now() - target->checked < check_time) return true;
  if (const auto refused =
          context_.refuses(client_, server, base::Protocol::udp,
                           is_known ? Context::Opening::goes_on : Context::Opening::anew)) {
    context_.stack->send_icmp_error(*refused, datagram.packet);
    return false;
  }
  (target ? *target : add_target(server)).checked = context_.now();
  return true;
}

// ---- up

void UdpFlow::send(const netstack::UdpDatagram& datagram) noexcept {
  touch();
  Targets::Target* const target = targets_.find(datagram.key.server);
  if (target) target->tally.count(target->tally.up, datagram.came_as, context_.now());
  if (!context_.may_pass(client_, Direction::up, datagram.payload.size())) return;
  only_dns_ = only_dns_ && datagram.key.server.port == 53;
  if (target) target->quote = netstack::Quote(datagram.packet);
  if (datagram.ttl < traceroute_ttl) probes_.add(datagram, context_.now());
  if ((datagram.tos & 3) && !hears_ecn_) hear_ecn();
  OutgoingDatagram out;
  out.to = datagram.key.server;
  out.ttl = datagram.ttl;
  out.ecn = datagram.tos & 3;
  out.fragments = rule_of(datagram);
  if (!context_.batch.add(queue_, out, datagram.payload)) {
    context_.flush_datagrams();
    if (!context_.batch.add(queue_, out, datagram.payload))
      return context_.deny(client_, base::Drop::host_refused);
  }
  mark_dirty();
}

void UdpFlow::on_turn() noexcept {
  if (!closed_) send_queue();
}

void UdpFlow::send_queue() noexcept {
  context_.batch.send(
      queue_, fd(), fragments_,
      [this](const OutgoingDatagram& d, int error, std::size_t count) {
        return UdpBatch::is_full(error) ? on_full(count) : on_refused(d, error);
      },
      [this](const OutgoingDatagram& d, std::size_t, std::size_t bytes) { count_up(d.to, bytes); });
}

// What a client sends in one turn may be more than the usual buffer holds.
bool UdpFlow::on_full(std::size_t count) noexcept {
  if (!std::exchange(sends_much_, true) && set_option(fd(), SOL_SOCKET, SO_SNDBUF, busy_buffer))
    return true;
  context_.deny(client_, base::Drop::host_refused, count);
  return false;
}

bool UdpFlow::on_refused(const OutgoingDatagram& datagram, int error) noexcept {
  // The kernel says in the queue what it means, and for which datagram.
  bool explained = false;
  while (const auto queued = next_socket_error(fd())) {
    report(*queued);
    explained = true;
  }
  if (explained) return error != EMSGSIZE;
  context_.deny(client_, base::Drop::host_refused);
  const auto icmp = from_errno(error);
  const Targets::Target* target = targets_.find(datagram.to);
  if (icmp && icmp != IcmpError::too_big && target)
    context_.stack->send_icmp_error(*icmp, target->quote.bytes());
  return false;
}

// ---- down

void UdpFlow::on_ready(std::uint32_t) noexcept {
  if (!closed_) context_.shaper.join(Shaper::Ring::datagrams, client_.datagrams, down_side_);
}

Moved UdpFlow::read_down(std::size_t most) noexcept {
  std::size_t done = 0;
  for (int round = 0; round < receive_rounds && done < most && !closed_; ++round) {
    const int count = context_.receiver.receive(fd());
    if (count < 0) {
      drain_errors();
      if (errno == EAGAIN || errno == EWOULDBLOCK) return {done};
      continue;
    }
    for (int i = 0; i < count && !closed_; ++i) {
      const auto received = context_.receiver[std::size_t(i)];
      done += received.data.size();
      deliver(received);
    }
    if (count >= busy_messages && !busy_) become_busy();
    if (count < UdpReceiver::max_messages) return {done};
  }
  return {std::max(done, most), !closed_};
}

// Worth two system calls and kernel memory only for a mapping with much to receive.
void UdpFlow::become_busy() noexcept {
  busy_ = true;
  set_option(fd(), SOL_UDP, UDP_GRO, 1);
  set_option(fd(), SOL_SOCKET, SO_RCVBUF, busy_buffer);
}

void UdpFlow::deliver(const UdpReceiver::Received& received) noexcept {
  if (!client_.config.full_cone && !targets_.contacted(received.from.address))
    return context_.deny(client_, base::Drop::udp_filtered);
  touch();
  const base::FlowKey key{from_, received.from, base::Protocol::udp};
  base::Bytes rest = received.data;
  do {
    const base::Bytes datagram = rest.first(std::min(rest.size(), received.segment));
    deliver_one(key, datagram, received.ecn);
    rest = rest.subspan(datagram.size());
  } while (!rest.empty());
}

void UdpFlow::deliver_one(const base::FlowKey& key, base::Bytes payload,
                          std::uint8_t ecn) noexcept {
  if (context_.may_pass(client_, Direction::down, payload.size()))
    count_down(key.server, context_.stack->send_udp(key, payload, ecn), payload.size());
}

void UdpFlow::drain_errors() noexcept {
  const int error = errno;
  while (const auto queued = next_socket_error(fd())) report(*queued);
  errno = error;
}

void UdpFlow::report(const SocketError& error) noexcept {
  if (!error.icmp) return;
  if (const netstack::Quote* probe = probes_.find(error, context_.now()))
    return context_.stack->send_icmp_error(*error.icmp, probe->bytes(), error.offender, error.mtu);
  const Targets::Target* target = error.target.port != 0
                                      ? targets_.find(error.target)
                                      : targets_.find_address(error.target.address);
  if (!target) return;
  context_.stack->send_icmp_error(*error.icmp, target->quote.bytes(), error.offender, error.mtu);
}

// ---- the end

base::Duration UdpFlow::idle_time() const noexcept {
  const Limits& limits = client_.config.limits;
  return only_dns_ ? limits.udp_idle_dns : limits.udp_idle;
}

base::Time UdpFlow::on_deadline(base::Time now) noexcept {
  const base::Time due = last_active_ + idle_time();
  if (due > now) return std::min(due, run_interim(now));
  end(FlowRecord::End::idle);
  return base::never;
}

void UdpFlow::close() noexcept {
  if (closed_) return;
  closed_ = true;
  if (!queue_.empty() && end_ != FlowRecord::End::forced) send_queue();
  for (const Targets::Target& target : targets_.all()) report_end(target, end_);
  host_.reset();
  down_side_.leave();
  context_.table.erase(mapping_key(from_));
  context_.table.remove(*this);
}

}  // namespace culvert::proxy
