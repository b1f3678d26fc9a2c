#include "proxy/forward.hpp"

#include <cerrno>

#include "proxy/context.hpp"
#include "proxy/tcp_flow.hpp"

namespace culvert::proxy {
namespace {

constexpr int accepts_per_turn = 32;
constexpr auto pause_time = std::chrono::seconds(1);

}  // namespace

ForwardListener::ForwardListener(Context& context, const Forward& forward)
    : context_(context), forward_(forward), socket_(context.io, forward.listen_fd) {}

ForwardListener::~ForwardListener() {
  stop();
}

void ForwardListener::stop() noexcept {
  wheel_hook.unlink();
  if (socket_.is_open()) socket_.release();
}

void ForwardListener::start() noexcept {
  if (forward_.protocol == base::Protocol::udp) ask_for_addresses();
  wait_readable();
}

void ForwardListener::wait_readable() noexcept {
  if (!socket_.is_open()) return;
  auto self = shared_from_this();
  socket_.async_wait(socket_.wait_read, [self](boost::system::error_code error) {
    if (error || !self->socket_.is_open()) return;
    bool go_on = true;
    if (self->forward_.protocol == base::Protocol::tcp)
      go_on = self->accept_connections();
    else
      self->receive_datagrams();
    if (go_on) return self->wait_readable();
    // Out of descriptors: a listen socket stays readable, so do not ask it for a while.
    self->context_.table.set_deadline(*self, self->context_.now() + pause_time,
                                      self->context_.now());
  });
}

base::Time ForwardListener::on_deadline(base::Time) noexcept {
  wait_readable();
  return base::never;
}

base::Endpoint ForwardListener::seen_as(const base::Endpoint& remote) noexcept {
  const base::IpAddress& to = forward_.to.address;
  const bool is_here = builtin_denial(remote.address) == "loopback" ||
                       context_.stack->is_own(remote.address) || remote.address == to;
  if (remote.address.family() == to.family() && !is_here) return remote;
  const auto& own = to.is_v4() ? context_.config.stack.address4 : context_.config.stack.address6;
  if (++next_port_ < 20000) next_port_ = 20000;
  return {own, next_port_};
}

bool ForwardListener::accept_connections() noexcept {
  for (int i = 0; i < accepts_per_turn; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int fd = ::accept4(socket_.native_handle(), reinterpret_cast<sockaddr*>(&address), &size,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) return false;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
      continue;  // one that was gone before it was accepted
    }
    if (!accept_one(FileDescriptor(fd), base::Endpoint::from_sockaddr(address))) return true;
  }
  return true;
}

bool ForwardListener::accept_one(FileDescriptor accepted, const base::Endpoint& remote) noexcept {
  ClientState* client = context_.table.find_client(forward_.to.address);
  if (!client) {
    set_close_with_reset(accepted.get());
    context_.counters.drops.add(base::Drop::unknown_client);
    return true;
  }
  if (!context_.gate.lets_in(*client)) {
    set_close_with_reset(accepted.get());
    return true;
  }
  if (const auto refused = context_.table.admit_tcp(*client, context_.now())) {
    set_close_with_reset(accepted.get());
    context_.deny(*client, *refused);
    return true;
  }
  const base::FlowKey key{forward_.to, seen_as(remote), base::Protocol::tcp};
  if (!key.server.address) return true;  // the tunnel has no address of this version
  TcpFlow::carry_to_client(context_, *client, std::move(accepted), key);
  return true;
}

}  // namespace culvert::proxy
