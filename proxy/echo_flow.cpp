#include "proxy/echo_flow.hpp"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/headers.hpp"
#include "proxy/context.hpp"
#include "proxy/error_queue.hpp"

namespace culvert::proxy {
namespace {

using base::load_be16;
using netstack::IcmpError;

constexpr std::size_t echo_header = 8;
constexpr int receive_rounds = 32;

base::FlowKey echo_key(const base::Endpoint& client) noexcept {
  return {client, {}, client.address.is_v4() ? base::Protocol::icmp : base::Protocol::icmp6};
}

FileDescriptor open_echo_socket(const base::IpAddress& family_of) noexcept {
  return open_socket(family_of, SOCK_DGRAM,
                     family_of.is_v4() ? int(IPPROTO_ICMP) : int(IPPROTO_ICMPV6));
}

// The system forbids echo sockets: say so once in the log, and to the client each time.
void refuse_unavailable(Context& context, ClientState& client, const netstack::EchoRequest& request,
                        int error) noexcept {
  context.deny(client, base::Drop::echo_unavailable);
  context.stack->send_icmp_error(IcmpError::host_unreachable, request.packet);
  if (std::exchange(context.echo_said, true)) return;
  base::log::warn("ping is not carried: {} (sysctl net.ipv4.ping_group_range allows it)",
                  std::strerror(error));
}

}  // namespace

EchoFlow::EchoFlow(Context& context, ClientState& client, const base::Endpoint& from,
                   FileDescriptor host)
    : Flow(context, client, Kind::echo), from_(from), host_(std::move(host)) {}

void EchoFlow::carry(Context& context, ClientState& client,
                     const netstack::EchoRequest& request) noexcept try {
  if (!client.echoes.try_take(1, context.now())) return context.deny(client, base::Drop::echo_rate);
  const auto protocol =
      request.key.client.address.is_v4() ? base::Protocol::icmp : base::Protocol::icmp6;
  auto* flow = static_cast<EchoFlow*>(context.table.find(echo_key(request.key.client)));
  const base::IpAddress& target = request.key.server.address;
  const bool is_known = flow && flow->pings(target);
  if (const auto refused =
          context.refuses(client, {target, 0}, protocol,
                          is_known ? Context::Opening::goes_on : Context::Opening::anew))
    return context.stack->send_icmp_error(*refused, request.packet);
  if (!flow) flow = open(context, client, request);
  if (flow) flow->send(request);
} catch (const std::exception&) {
  context.counters.drops.add(base::Drop::no_buffer);
}

EchoFlow* EchoFlow::open(Context& context, ClientState& client,
                         const netstack::EchoRequest& request) noexcept {
  if (const auto refused = context.table.admit_echo(client, context.now())) {
    context.deny(client, *refused);
    return nullptr;
  }
  const base::Endpoint& from = request.key.client;
  FileDescriptor host = open_echo_socket(from.address);
  if (!host) {
    if (is_local_shortage(errno))
      context.deny(client, base::Drop::flow_cap);
    else
      refuse_unavailable(context, client, request, errno);
    return nullptr;
  }
  if (const base::IpAddress& source = context.source_for(from.address))
    bind_to(host.get(), {source, 0});
  set_receive_errors(host.get(), from.address, true);
  set_dont_fragment(host.get(), from.address, false);
  auto flow = std::make_unique<EchoFlow>(context, client, from, std::move(host));
  EchoFlow* const opened = flow.get();
  context.table.insert(echo_key(from), *opened);
  context.table.add(std::move(flow), context.now() + client.config.limits.echo_idle, context.now());
  if (context.poller.add_for_reading(opened->fd(), *opened)) return opened;
  context.counters.drops.add(base::Drop::no_buffer);
  opened->close();
  return nullptr;
}

// ---- up

void EchoFlow::send(const netstack::EchoRequest& request) noexcept {
  touch();
  remember(request);
  FlowTally& tally = origin(request.key.server.address).tally;
  tally.count(tally.up, request.came_as, context_.now());
  tally.up.payload += request.payload.size();
  const bool dont_fragment =
      request.dont_fragment && request.payload.size() < request.packet.size();
  if (dont_fragment != dont_fragment_) {
    dont_fragment_ = dont_fragment;
    set_dont_fragment(fd(), from_.address, dont_fragment);
  }
  if (try_send(request)) return;
  const int error = errno;
  // The error may be that of an earlier request: Linux reports it on the next call.
  bool explained = false;
  while (const auto queued = next_socket_error(fd())) report(*queued), explained = true;
  if (explained && (error == EMSGSIZE || try_send(request))) return;
  on_refused(request, explained ? errno : error);
}

bool EchoFlow::try_send(const netstack::EchoRequest& request) noexcept {
  std::array<std::byte, echo_header> header{};
  header[0] = std::byte(from_.address.is_v4() ? int(ICMP_ECHO) : int(ICMP6_ECHO_REQUEST));
  base::store_be16(header.data() + 6, request.sequence);  // the kernel fills the identifier in
  sockaddr_storage address;
  iovec parts[2] = {{header.data(), header.size()},
                    {const_cast<std::byte*>(request.payload.data()), request.payload.size()}};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = base::Endpoint{request.key.server.address, 0}.to_sockaddr(address);
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  SendControl control(from_.address, request.ttl, -1);
  control.attach(message);
  return ::sendmsg(fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

void EchoFlow::on_refused(const netstack::EchoRequest& request, int error) noexcept {
  context_.deny(client_, base::Drop::host_refused);
  const auto icmp = from_errno(error);
  if (icmp && icmp != IcmpError::too_big) context_.stack->send_icmp_error(*icmp, request.packet);
}

void EchoFlow::remember(const netstack::EchoRequest& request) noexcept {
  Sent sent{request.key.server.address, request.sequence, netstack::Quote(request.packet)};
  if (sent_.size() < max_sent) return sent_.push_back(sent);
  sent_[oldest_] = sent;
  oldest_ = (oldest_ + 1) % max_sent;
}

// ---- down

void EchoFlow::on_ready(std::uint32_t) noexcept {
  for (int round = 0; round < receive_rounds && !closed_; ++round) {
    if (receive_one()) continue;
    const int error = errno;
    drain_errors();
    if (error == EAGAIN || error == EWOULDBLOCK) return;
  }
}

bool EchoFlow::receive_one() noexcept {
  const base::MutableBytes buffer = context_.receiver.scratch();
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const ssize_t got = ::recvfrom(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                                 reinterpret_cast<sockaddr*>(&address), &size);
  if (got < 0) return false;
  const int reply = from_.address.is_v4() ? int(ICMP_ECHOREPLY) : int(ICMP6_ECHO_REPLY);
  if (std::size_t(got) < echo_header || buffer[0] != std::byte(reply)) return true;
  const base::IpAddress from = base::Endpoint::from_sockaddr(address).address;
  const std::uint16_t sequence = load_be16(buffer.data() + 6);
  const auto asked = [&](const Sent& s) { return s.to == from && s.sequence == sequence; };
  if (std::none_of(sent_.begin(), sent_.end(), asked)) {
    context_.deny(client_, base::Drop::udp_filtered);
    return true;
  }
  last_active_ = context_.now();
  const base::FlowKey key{from_, {from, 0}, echo_key(from_).protocol};
  const base::Bytes payload = buffer.subspan(echo_header, std::size_t(got) - echo_header);
  count_down(from, context_.stack->send_echo_reply(key, sequence, payload), payload.size());
  return true;
}

void EchoFlow::drain_errors() noexcept {
  while (const auto queued = next_socket_error(fd())) report(*queued);
}

// The queue holds our echo header, with the sequence number; a local error holds it as well.
void EchoFlow::report(const SocketError& error) noexcept {
  if (!error.icmp) return;
  const bool has_sequence = error.payload_size >= echo_header;
  const std::uint16_t sequence = has_sequence ? load_be16(error.payload.data() + 6) : 0;
  const auto meant = [&](const Sent& s) {
    return s.to == error.target.address && (!has_sequence || s.sequence == sequence);
  };
  const auto found = std::find_if(sent_.rbegin(), sent_.rend(), meant);
  if (found == sent_.rend()) return;
  context_.stack->send_icmp_error(*error.icmp, found->quote.bytes(), error.offender, error.mtu);
}

// ---- the end

base::Time EchoFlow::on_deadline(base::Time now) noexcept {
  const base::Time due = last_active_ + client_.config.limits.echo_idle;
  if (due > now) return std::min(due, run_interim(now));
  end(FlowRecord::End::idle);
  return base::never;
}

void EchoFlow::close() noexcept {
  if (closed_) return;
  closed_ = true;
  for (const Origin& each : origins_) report_end(each, end_);
  host_.reset();
  context_.table.erase(echo_key(from_));
  context_.table.remove(*this);
}

}  // namespace culvert::proxy
