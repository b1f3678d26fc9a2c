// The UDP half of port forwards.
#include <algorithm>
#include <cerrno>

#include "proxy/context.hpp"
#include "proxy/forward.hpp"

namespace culvert::proxy {

// The answer must come from the address that was asked, which a wildcard socket does not know.
void ForwardListener::ask_for_addresses() noexcept {
  const int fd = socket_.native_handle();
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size);
  is_ipv6_ = local.ss_family == AF_INET6;
  if (is_ipv6_) {
    set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    set_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
  } else {
    set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
    set_option(fd, IPPROTO_IP, IP_RECVTOS, 1);
  }
}

void ForwardListener::receive_datagrams() noexcept {
  for (int round = 0; round < 4 && socket_.is_open(); ++round) {
    const int count = context_.receiver.receive(socket_.native_handle());
    if (count < 0) return;
    for (int i = 0; i < count; ++i) {
      const auto received = context_.receiver[std::size_t(i)];
      deliver(received);
    }
    if (count < UdpReceiver::max_messages) return;
  }
}

void ForwardListener::deliver(const UdpReceiver::Received& received) noexcept {
  const auto found = flows_.find(received.from);
  ForwardFlow* flow = found != flows_.end() ? found->second : open_flow(received.from);
  if (flow) flow->to_client(received);
}

ForwardFlow* ForwardListener::open_flow(const base::Endpoint& remote) noexcept try {
  ClientState* client = context_.table.find_client(forward_.to.address);
  if (!client) {
    context_.counters.drops.add(base::Drop::unknown_client);
    return nullptr;
  }
  if (!context_.gate.lets_in(*client)) return nullptr;
  if (const auto refused = context_.table.admit_udp(*client, context_.now())) {
    context_.deny(*client, *refused);
    return nullptr;
  }
  const base::FlowKey key{forward_.to, seen_as(remote), base::Protocol::udp};
  if (!key.server.address) return nullptr;
  auto flow = std::make_unique<ForwardFlow>(context_, *client, shared_from_this(), key, remote);
  ForwardFlow* const opened = flow.get();
  if (!context_.table.insert(key, *opened)) return nullptr;
  flows_[remote] = opened;
  const base::Time now = context_.now();
  const base::Time idle = now + client->config.limits.udp_idle;
  context_.table.add(std::move(flow), std::min(idle, context_.reporter.first_interim(now)), now);
  return opened;
} catch (const std::exception&) {
  context_.counters.drops.add(base::Drop::no_buffer);
  return nullptr;
}

bool ForwardListener::send_to_remote(const base::Endpoint& remote, const base::IpAddress& local,
                                     base::Bytes payload) noexcept {
  sockaddr_storage address;
  socklen_t size = remote.to_sockaddr(address);
  // A dual-stack listen socket knows an IPv4 remote only by its mapped address.
  if (is_ipv6_ && remote.address.is_v4()) {
    sockaddr_in6 mapped{};
    mapped.sin6_family = AF_INET6;
    mapped.sin6_port = htons(remote.port);
    mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
    std::memcpy(mapped.sin6_addr.s6_addr + 12, remote.address.bytes().data(), 4);
    std::memcpy(&address, &mapped, sizeof mapped);
    size = sizeof mapped;
  }
  iovec part{const_cast<std::byte*>(payload.data()), payload.size()};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = size;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  SendControl control(remote.address, -1, -1);
  if (local) control.pin_source(local, is_ipv6_);
  control.attach(message);
  return ::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

ForwardFlow::ForwardFlow(Context& context, ClientState& client,
                         std::shared_ptr<ForwardListener> listener, const base::FlowKey& key,
                         const base::Endpoint& remote) noexcept
    : Flow(context, client, Kind::udp),
      listener_(std::move(listener)),
      key_(key),
      remote_(remote) {
  tally_.span = context.reporter.begin(context.now());
}

void ForwardFlow::to_client(const UdpReceiver::Received& received) noexcept {
  touch();
  local_ = received.to;
  if (!context_.may_pass(client_, Direction::down, received.data.size())) return;
  tally_.count(tally_.down, context_.stack->send_udp(key_, received.data, received.ecn),
               context_.now());
  tally_.down.payload += received.data.size();
  client_.counters.udp_down.add(received.data.size());
}

void ForwardFlow::to_remote(const netstack::UdpDatagram& datagram) noexcept {
  touch();
  tally_.count(tally_.up, datagram.came_as, context_.now());
  if (!context_.may_pass(client_, Direction::up, datagram.payload.size())) return;
  if (!listener_->send_to_remote(remote_, local_, datagram.payload))
    return context_.deny(client_, base::Drop::host_refused);
  tally_.up.payload += datagram.payload.size();
  client_.counters.udp_up.add(datagram.payload.size());
}

FlowRecord ForwardFlow::record(FlowRecord::End end) const noexcept {
  FlowRecord record = context_.reporter.describe(client_, key_, tally_, context_.now());
  record.end = end;
  const bool over = end != FlowRecord::End::none && end != FlowRecord::End::interim;
  record.state = over ? FlowRecord::State::closed : FlowRecord::State::open;
  record.forward = true;
  return record;
}

void ForwardFlow::each_record(const Proxy::EachRecord& each) const {
  if (!closed_) each(record(FlowRecord::End::none));
}

// Egress rules are about what a client opens.
void ForwardFlow::on_policy() noexcept {
  if (context_.table.find_client(key_.client.address) != &client_) end(FlowRecord::End::forced);
}

base::Time ForwardFlow::on_deadline(base::Time now) noexcept {
  const base::Time due = last_active_ + client_.config.limits.udp_idle;
  if (context_.reporter.take_interim(tally_.span, tally_.last, now))
    context_.reporter.push(record(FlowRecord::End::interim));
  if (due > now) return std::min(due, context_.reporter.next_interim(tally_.span));
  end(FlowRecord::End::idle);
  return base::never;
}

void ForwardFlow::close() noexcept {
  if (closed_) return;
  closed_ = true;
  if (context_.reporter.wanted()) context_.reporter.push(record(end_));
  context_.table.erase(key_);
  listener_->forget(remote_);
  context_.table.remove(*this);
}

}  // namespace culvert::proxy
