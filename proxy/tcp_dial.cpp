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

void refuse_without_flow(Context& context, netstack::PendingSyn& syn, int error) noexcept {
  context.counters.dials_failed.add();
  context.counters.drops.add(is_local_shortage(error) ? base::Drop::flow_cap
                                                      : base::Drop::dial_failed);
  if (is_local_shortage(error)) return;
  if (const auto icmp = from_errno(error)) syn.reject(*icmp);
}

}  // namespace

void TcpFlow::dial(Context& context, ClientState& client, netstack::PendingSyn syn) noexcept try {
  const base::IpAddress& target = syn.key().server.address;
  FileDescriptor host = open_socket(target, SOCK_STREAM);
  if (!host) return refuse_without_flow(context, syn, errno);
  auto flow = std::make_shared<TcpFlow>(context, client, std::move(host));
  context.table.add(flow, context.now + client.config.limits.tcp_dial, context.now);
  flow->start_dial(std::move(syn));
} catch (const std::exception&) {
  context.counters.drops.add(base::Drop::no_buffer);
}

void TcpFlow::start_dial(netstack::PendingSyn syn) noexcept {
  syn_.emplace(std::move(syn));
  const base::Endpoint target = syn_->key().server;
  set_option(fd(), IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd(), SOL_SOCKET, SO_KEEPALIVE, 1);
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
  error == EINPROGRESS ? wait_for_dial() : on_dial_ended(error);
}

void TcpFlow::wait_for_dial() noexcept {
  auto self = std::static_pointer_cast<TcpFlow>(shared_from_this());
  host_.async_wait(host_.wait_write, [self](boost::system::error_code error) {
    if (error || self->state_ != State::dialling) return;
    self->on_dial_ended(pending_error(self->fd()));
  });
}

void TcpFlow::on_dial_ended(int error) noexcept {
  context_.table.dial_ended(client_);
  dial_counted_ = false;
  error ? on_dial_failed(error) : start_handshake();
}

void TcpFlow::on_dial_failed(int error) noexcept {
  context_.counters.dials_failed.add();
  if (is_local_shortage(error)) {
    context_.counters.drops.add(base::Drop::dial_failed);
    return close();  // silence: the client tries again
  }
  // A router or the origin said so by ICMP: the client hears it from there.
  while (const auto report = next_socket_error(fd())) {
    if (!report->offender || !report->icmp) continue;
    context_.stack->send_icmp_error(*report->icmp, syn_->packet(), report->offender, report->mtu);
    return close();
  }
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
  started_ = context_.now;
  connection_ = syn_->accept(*this);
  if (!connection_) {
    context_.counters.drops.add(base::Drop::no_buffer);
    return close();
  }
  context_.table.set_deadline(*this, on_deadline(context_.now), context_.now);
}

void TcpFlow::on_established() noexcept {
  if (state_ != State::handshake) return;
  state_ = State::open;
  last_active_ = last_progress_ = context_.now;
  context_.table.set_deadline(*this, on_deadline(context_.now), context_.now);
  wait_readable();
}

void TcpFlow::carry_to_client(Context& context, ClientState& client, FileDescriptor accepted,
                              const base::FlowKey& key) noexcept try {
  set_option(accepted.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(accepted.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
  auto flow = std::make_shared<TcpFlow>(context, client, std::move(accepted));
  flow->state_ = State::handshake;
  context.table.add(flow, context.now + client.config.limits.tcp_dial, context.now);
  flow->connection_ = context.stack->connect(key, *flow);
  if (!flow->connection_) flow->close();
} catch (const std::exception&) {
  context.counters.drops.add(base::Drop::no_buffer);
}

}  // namespace culvert::proxy
