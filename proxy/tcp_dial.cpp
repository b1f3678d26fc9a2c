// TcpFlow until it is open: the dial, what its failure tells the client, and the answer to the SYN.
#include <netinet/tcp.h>

#include <cerrno>

#include "proxy/context.hpp"
#include "proxy/error_queue.hpp"
#include "proxy/tcp_flow.hpp"

namespace culvert::proxy {
namespace {

using netstack::IcmpError;

// A SYN with less is not from an application but from a traceroute: the dial gets the same TTL.
constexpr int traceroute_ttl = 32;

void refuse_without_flow(Context& context, ClientState& client, netstack::PendingSyn& syn,
                         int error) noexcept {
  context.counters.dials_failed.add();
  context.deny(client, is_local_shortage(error) ? base::Drop::flow_cap : base::Drop::dial_failed);
  if (is_local_shortage(error)) return;
  if (const auto icmp = from_errno(error)) syn.reject(*icmp);
}

}  // namespace

void TcpFlow::dial(Context& context, ClientState& client, netstack::PendingSyn syn) noexcept try {
  const base::IpAddress& target = syn.key().server.address;
  FileDescriptor host = open_socket(target, SOCK_STREAM);
  if (!host) return refuse_without_flow(context, client, syn, errno);
  auto flow = std::make_unique<TcpFlow>(context, client, std::move(host));
  TcpFlow& dialling = *flow;
  context.table.add(std::move(flow), context.now() + client.config.limits.tcp_dial, context.now());
  dialling.start_dial(std::move(syn));
} catch (const std::exception&) {
  context.counters.drops.add(base::Drop::no_buffer);
}

void TcpFlow::start_dial(netstack::PendingSyn syn) noexcept {
  syn_.emplace(std::move(syn));
  syn_->watch(*this);
  const base::Endpoint target = syn_->key().server;
  span_.domain = context_.domain_of(client_, target.address);
  // Tells which router said what; off again once connected, when it would make soft errors fatal.
  set_receive_errors(fd(), target.address, true);
  low_ttl_ = syn_->ttl() < traceroute_ttl;
  if (low_ttl_) set_ttl(fd(), target.address, syn_->ttl());
  if (const base::IpAddress& source = context_.source_for(target.address)) {
    set_option(fd(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    if (const int error = bind_to(fd(), {source, 0})) return on_dial_failed(error);
  }
  context_.counters.dials.add();
  context_.table.dial_started(client_);
  dial_counted_ = true;
  const int error = connect_to(fd(), target);
  if (error != 0 && error != EINPROGRESS) return on_dial_ended(error);
  if (!context_.poller.add_for_changes(fd(), *this)) return on_dial_ended(errno);
  context_.table.set_deadline(*this, dial_deadline(), context_.now());
}

void TcpFlow::on_dial_event(std::uint32_t events) noexcept {
  const int error = events & (EPOLLERR | EPOLLHUP) ? pending_error(fd()) : 0;
  if (error || (events & EPOLLOUT)) on_dial_ended(error);
}

// A client that has gone sends its SYN no more. Retransmissions come at twice the interval each
// time, at first after a second (RFC 6298); one of them may be lost.
base::Time TcpFlow::dial_deadline() const noexcept {
  const base::Time seen = syn_->last_seen();
  const base::Duration patience = 4 * (seen - started_ + std::chrono::seconds(1));
  return std::min(started_ + base::Duration(client_.config.limits.tcp_dial),
                  seen + patience + std::chrono::seconds(2));
}

void TcpFlow::on_dial_ended(int error) noexcept {
  context_.table.dial_ended(client_);
  dial_counted_ = false;
  error ? on_dial_failed(error) : start_handshake();
}

void TcpFlow::on_dial_failed(int error) noexcept {
  context_.counters.dials_failed.add();
  if (is_local_shortage(error)) {
    context_.deny(client_, base::Drop::dial_failed);
    return close();  // silence: the client tries again
  }
  // A router or the origin said so by ICMP: the client hears it from there.
  while (const auto report = next_socket_error(fd())) {
    if (!report->offender || !report->icmp) continue;
    context_.stack->send_icmp_error(*report->icmp, syn_->packet(), report->offender, report->mtu);
    return close();
  }
  report_end();  // what answers the SYN takes it away
  if (error == ECONNREFUSED && !context_.config.refuse_with_icmp)
    syn_->reset();
  else if (const auto icmp = from_errno(error))
    syn_->reject(*icmp);
  close();
}

void TcpFlow::start_handshake() noexcept {
  const base::IpAddress target = syn_->key().server.address;
  set_receive_errors(fd(), target, false);
  if (low_ttl_) set_ttl(fd(), target, -1);
  state_ = State::handshake;
  started_ = context_.now();
  connection_ = syn_->accept(*this);
  if (!connection_) {
    context_.counters.drops.add(base::Drop::no_buffer);
    return close();
  }
  context_.table.set_deadline(*this, on_deadline(context_.now()), context_.now());
}

void TcpFlow::on_established() noexcept {
  if (state_ != State::handshake) return;
  state_ = State::open;
  last_active_ = last_progress_ = context_.now();
  context_.table.set_deadline(*this, on_deadline(context_.now()), context_.now());
  if (readable_) mark_dirty();
}

void TcpFlow::carry_to_client(Context& context, ClientState& client, FileDescriptor accepted,
                              const base::FlowKey& key) noexcept try {
  auto owned = std::make_unique<TcpFlow>(context, client, std::move(accepted));
  TcpFlow& flow = *owned;
  flow.state_ = State::handshake;
  flow.forward_ = true;
  context.table.add(std::move(owned), context.now() + client.config.limits.tcp_dial, context.now());
  if (context.poller.add_for_changes(flow.fd(), flow))
    flow.connection_ = context.stack->connect(key, flow);
  if (!flow.connection_) flow.close();
} catch (const std::exception&) {
  context.counters.drops.add(base::Drop::no_buffer);
}

}  // namespace culvert::proxy
