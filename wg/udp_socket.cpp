#include "wg/udp_socket.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include "wg/udp_receive.hpp"
#include "wg/udp_send.hpp"

namespace culvert::wg {
namespace {

bool set(int fd, int level, int option, int value) noexcept {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

// FORCE passes the system's limit and needs CAP_NET_ADMIN; without it we get what the limit allows.
void ask_for_buffer(int fd, int forced, int plain, int size) noexcept {
  if (!set(fd, SOL_SOCKET, forced, size)) set(fd, SOL_SOCKET, plain, size);
}

// Empty if it is on.
std::string set_gro(int fd, bool wanted) {
  const bool done = set(fd, SOL_UDP, UDP_GRO, wanted ? 1 : 0);
  if (!wanted) return "off";
  return done ? "" : "off: the kernel has no UDP_GRO";
}

std::string set_up(int fd_v4, int fd_v6, const UdpOptions& options) {
  std::string gro;
  for (int fd : {fd_v4, fd_v6}) {
    if (fd < 0) continue;
    ask_for_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, options.receive_buffer);
    ask_for_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, options.send_buffer);
    gro = set_gro(fd, options.gro);
  }
  return gro.empty() ? "on" : gro;
}

}  // namespace

struct UdpSocket::Impl {
  Impl(int fd_v4, int fd_v6, const UdpOptions& options, base::WorkerCounters& counters)
      : gro_state(set_up(fd_v4, fd_v6, options)),
        receiver(options.receive_places, counters),
        sender(fd_v4, fd_v6, options.gso, counters) {}

  std::string gro_state;
  UdpReceiver receiver;
  UdpSender sender;
};

UdpSocket::UdpSocket(int fd_v4, int fd_v6, UdpOptions options, base::WorkerCounters& counters)
    : impl_(std::make_unique<Impl>(fd_v4, fd_v6, options, counters)) {}

UdpSocket::~UdpSocket() = default;

void UdpSocket::fetch(int fd, const SenderOf& sender_of) noexcept {
  impl_->receiver.fetch(fd, sender_of);
}

std::size_t UdpSocket::senders_waiting() const noexcept {
  return impl_->receiver.senders_waiting();
}

bool UdpSocket::hand_out(const OnDatagram& on_datagram, const GoOn& go_on) noexcept {
  return impl_->receiver.hand_out(on_datagram, go_on);
}

base::MutableBytes UdpSocket::reserve(const Path& path, std::size_t size,
                                      std::uint8_t tos) noexcept {
  return impl_->sender.reserve(path, size, tos);
}

void UdpSocket::cancel_last() noexcept {
  impl_->sender.cancel_last();
}

void UdpSocket::flush() noexcept {
  impl_->sender.flush();
}

bool UdpSocket::pending() const noexcept {
  return impl_->sender.pending();
}

std::string UdpSocket::gso_state() const {
  return impl_->sender.gso_state();
}

std::string UdpSocket::gro_state() const {
  return impl_->gro_state;
}

}  // namespace culvert::wg
