// The UDP half of port forwards.
#include <cerrno>

#include "proxy/context.hpp"
#include "proxy/forward.hpp"

namespace culvert::proxy {

void ForwardListener::receive_datagrams() noexcept {
  for (int round = 0; round < 4 && socket_.is_open(); ++round) {
    const int count = context_.receiver.receive(socket_.native_handle());
    if (count < 0) return;
    for (int i = 0; i < count; ++i) {
      const auto received = context_.receiver[std::size_t(i)];
      deliver(received.from, received.data, received.ecn);
    }
    if (count < UdpReceiver::max_messages) return;
  }
}

void ForwardListener::deliver(const base::Endpoint& remote, base::Bytes payload,
                              std::uint8_t ecn) noexcept {
  const auto found = flows_.find(remote);
  ForwardFlow* flow = found != flows_.end() ? found->second : open_flow(remote);
  if (flow) flow->to_client(payload, ecn);
}

ForwardFlow* ForwardListener::open_flow(const base::Endpoint& remote) noexcept try {
  ClientState* client = context_.table.find_client(forward_.to.address);
  if (!client) {
    context_.counters.drops.add(base::Drop::unknown_client);
    return nullptr;
  }
  if (const auto refused = context_.table.admit_udp(*client, context_.now)) {
    context_.counters.drops.add(*refused);
    return nullptr;
  }
  const base::FlowKey key{forward_.to, seen_as(remote), base::Protocol::udp};
  if (!key.server.address) return nullptr;
  auto flow = std::make_shared<ForwardFlow>(context_, *client, shared_from_this(), key, remote);
  ForwardFlow* const opened = flow.get();
  if (!context_.table.insert(key, *opened)) return nullptr;
  flows_[remote] = opened;
  context_.table.add(std::move(flow), context_.now + client->config.limits.udp_idle, context_.now);
  return opened;
} catch (const std::exception&) {
  context_.counters.drops.add(base::Drop::no_buffer);
  return nullptr;
}

void ForwardListener::send_to_remote(const base::Endpoint& remote, base::Bytes payload) noexcept {
  sockaddr_storage address;
  // A dual-stack listen socket knows an IPv4 remote only by its mapped address.
  const socklen_t size = remote.to_sockaddr(address);
  sockaddr_storage local{};
  socklen_t local_size = sizeof local;
  ::getsockname(socket_.native_handle(), reinterpret_cast<sockaddr*>(&local), &local_size);
  socklen_t used = size;
  if (local.ss_family == AF_INET6 && remote.address.is_v4()) {
    sockaddr_in6 mapped{};
    mapped.sin6_family = AF_INET6;
    mapped.sin6_port = htons(remote.port);
    mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
    std::memcpy(mapped.sin6_addr.s6_addr + 12, remote.address.bytes().data(), 4);
    std::memcpy(&address, &mapped, sizeof mapped);
    used = sizeof mapped;
  }
  if (::sendto(socket_.native_handle(), payload.data(), payload.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&address), used) < 0)
    context_.counters.drops.add(base::Drop::host_refused);
}

ForwardFlow::ForwardFlow(Context& context, ClientState& client,
                         std::shared_ptr<ForwardListener> listener, const base::FlowKey& key,
                         const base::Endpoint& remote) noexcept
    : Flow(context, client, Kind::udp),
      listener_(std::move(listener)),
      key_(key),
      remote_(remote) {}

void ForwardFlow::to_client(base::Bytes payload, std::uint8_t ecn) noexcept {
  touch();
  context_.stack->send_udp(key_, payload, ecn);
}

void ForwardFlow::to_remote(base::Bytes payload) noexcept {
  touch();
  listener_->send_to_remote(remote_, payload);
}

base::Time ForwardFlow::on_deadline(base::Time now) noexcept {
  const base::Time due = last_active_ + client_.config.limits.udp_idle;
  if (due > now) return due;
  close();
  return base::never;
}

void ForwardFlow::close() noexcept {
  if (closed_) return;
  closed_ = true;
  context_.table.erase(key_);
  listener_->forget(remote_);
  context_.table.remove(*this);
}

}  // namespace culvert::proxy
