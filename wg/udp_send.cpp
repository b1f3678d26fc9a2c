#include "wg/udp_send.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace culvert::wg {
namespace {

bool is_link_local_v6(const base::IpAddress& address) noexcept {
  const auto bytes = address.bytes();
  return address.is_v6() && bytes[0] == std::byte{0xfe} &&
         (bytes[1] & std::byte{0xc0}) == std::byte{0x80};
}

// Appends control messages to the buffer that a header points to.
class ControlWriter {
 public:
  explicit ControlWriter(msghdr& header) noexcept : header_(header) { header_.msg_controllen = 0; }

  template <class T>
  void add(int level, int type, const T& value) noexcept {
    auto* const at = static_cast<std::byte*>(header_.msg_control) + header_.msg_controllen;
    cmsghdr control{};
    control.cmsg_len = CMSG_LEN(sizeof value);
    control.cmsg_level = level;
    control.cmsg_type = type;
    std::memcpy(at, &control, sizeof control);
    std::memcpy(at + CMSG_LEN(0), &value, sizeof value);
    header_.msg_controllen += CMSG_SPACE(sizeof value);
  }

  // The source address. The interface is named only where an address means nothing without it:
  // otherwise the route decides, so that a better one is taken when it appears.
  void add_source(const Path& path, bool with_local) noexcept {
    const base::IpAddress local = with_local ? path.local : base::IpAddress();
    const std::uint32_t interface = is_link_local_v6(path.remote.address) ? path.interface : 0;
    if (path.remote.address.is_v4() && local.is_v4()) {
      in_pktinfo info{};
      std::memcpy(&info.ipi_spec_dst, local.bytes().data(), 4);
      add(IPPROTO_IP, IP_PKTINFO, info);
    } else if (path.remote.address.is_v6() && (local.is_v6() || interface != 0)) {
      in6_pktinfo info{};
      if (local.is_v6()) std::memcpy(&info.ipi6_addr, local.bytes().data(), 16);
      info.ipi6_ifindex = interface;
      add(IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
  }

 private:
  msghdr& header_;
};

bool out_of_room(int error) noexcept {
  return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS || error == ENOMEM;
}
bool local_may_be_gone(int error) noexcept {
  return error == EINVAL || error == ENETUNREACH || error == EHOSTUNREACH || error == EADDRNOTAVAIL;
}
bool segmentation_may_be_refused(int error) noexcept {
  return error == EIO || error == EINVAL || error == EMSGSIZE;
}

}  // namespace

UdpSender::UdpSender(int fd_v4, int fd_v6, bool gso, base::WorkerCounters& counters)
    : counters_(counters), v4_(open_socket(fd_v4, gso)), v6_(open_socket(fd_v6, gso)) {}

UdpSender::Socket UdpSender::open_socket(int fd, bool gso) noexcept {
  int segment = 0;
  socklen_t size = sizeof segment;
  const bool known = fd >= 0 && getsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, &size) == 0;
  Socket socket;
  socket.fd = fd;
  socket.wants_gso = gso && known;
  return socket;
}

const UdpSender::Socket& UdpSender::socket_for(const Path& path) const noexcept {
  return path.remote.address.is_v4() ? v4_ : v6_;
}

base::MutableBytes UdpSender::reserve(const Path& path, std::size_t size,
                                      std::uint8_t tos) noexcept {
  const Socket& socket = socket_for(path);
  const bool sendable = socket.fd >= 0 && path.remote.address && path.remote.port != 0;
  if (!sendable || size > SendBatch::max_datagram) return {};
  const base::MutableBytes room = batch_.add(path, size, tos, socket.gso());
  if (!room.empty() || batch_.empty()) return room;
  flush();
  return batch_.add(path, size, tos, socket.gso());
}

void UdpSender::flush() noexcept {
  if (batch_.empty()) return;
  flush_socket(v4_);
  flush_socket(v6_);
  batch_.clear();
}

// Prepares as many of the socket's messages as one call takes, sends them, goes on.
void UdpSender::flush_socket(Socket& socket) noexcept {
  std::size_t prepared = 0, used = 0;
  bool open = socket.fd >= 0;
  for (const SendBatch::Message& message : batch_.messages()) {
    if (&socket_for(message.path) != &socket) continue;
    if (open && (prepared == max_headers || used + message.count > max_places)) {
      open = send_prepared(socket, prepared);
      prepared = used = 0;
    }
    if (!open) {
      count(socket, 0, message.count);
      continue;
    }
    const std::span<iovec> free = std::span(places_).subspan(used);
    const std::size_t n = batch_.gather(message, free);
    prepare(headers_[prepared].msg_hdr, envelopes_[prepared], message, free.first(n),
            {.segmented = message.count > 1});
    prepared_[prepared++] = &message;
    used += n;
  }
  if (open) send_prepared(socket, prepared);
}

// False if the socket takes no more; what was prepared and did not leave is counted as dropped.
bool UdpSender::send_prepared(Socket& socket, std::size_t prepared) noexcept {
  for (std::size_t done = 0; done < prepared;) {
    const int n = sendmmsg(socket.fd, &headers_[done], unsigned(prepared - done), MSG_DONTWAIT);
    const int error = n < 0 ? errno : 0;
    counters_.send_calls.add();
    for (int i = 0; i < n; ++i) count(socket, prepared_[done++]->count, 0);
    if (n > 0 || error == EINTR) continue;

    const SendBatch::Message& first = *prepared_[done];
    const Outcome outcome = send_refused(socket, first, error);
    count(socket, outcome.sent, first.count - outcome.sent);
    ++done;
    if (!outcome.full) continue;
    for (; done < prepared; ++done) count(socket, 0, prepared_[done]->count);
    return false;
  }
  return true;
}

// What the kernel refused with `error`, in the forms it may take.
UdpSender::Outcome UdpSender::send_refused(Socket& socket, const SendBatch::Message& message,
                                           int error) noexcept {
  if (out_of_room(error)) return {.full = true};
  if (message.path.local && local_may_be_gone(error)) {
    std::array<iovec, SendBatch::max_segments> places;
    const std::size_t n = batch_.gather(message, places);
    const int again = send_one(socket, message, std::span(places).first(n),
                               {.segmented = message.count > 1, .with_local = false});
    if (again == 0) return {.sent = message.count};
    if (out_of_room(again)) return {.full = true};
  }
  if (message.count == 1 || !segmentation_may_be_refused(error)) return {};
  const Outcome outcome = send_separately(socket, message);
  if (outcome.sent > 0) {
    socket.refusal = error;
    socket.without_gso = retry_after;
  }
  return outcome;
}

// Stops at the first datagram that the kernel refuses: the others go the same way.
UdpSender::Outcome UdpSender::send_separately(Socket& socket,
                                              const SendBatch::Message& message) noexcept {
  std::array<iovec, SendBatch::max_segments> places;
  const std::size_t datagrams = batch_.list(message, places);
  Outcome outcome;
  for (; outcome.sent < datagrams; ++outcome.sent) {
    const std::span<iovec> one = std::span(places).subspan(outcome.sent, 1);
    int error = send_one(socket, message, one, {});
    if (local_may_be_gone(error)) error = send_one(socket, message, one, {.with_local = false});
    if (error == 0) continue;
    outcome.full = out_of_room(error);
    break;
  }
  return outcome;
}

// 0, or the errno.
int UdpSender::send_one(const Socket& socket, const SendBatch::Message& message,
                        std::span<iovec> places, Form form) noexcept {
  msghdr header{};
  Envelope envelope;
  prepare(header, envelope, message, places, form);
  while (true) {
    const ssize_t n = sendmsg(socket.fd, &header, MSG_DONTWAIT);
    const int error = errno;
    counters_.send_calls.add();
    if (n >= 0) return 0;
    if (error != EINTR) return error;
  }
}

void UdpSender::prepare(msghdr& header, Envelope& envelope, const SendBatch::Message& message,
                        std::span<iovec> places, Form form) noexcept {
  header.msg_name = &envelope.name;
  header.msg_namelen = message.path.remote.to_sockaddr(envelope.name);
  header.msg_iov = places.data();
  header.msg_iovlen = places.size();
  header.msg_control = envelope.control.data();
  ControlWriter control(header);
  const bool v4 = message.path.remote.address.is_v4();
  control.add_source(message.path, form.with_local);
  if (message.tos != 0)
    control.add(v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, int{message.tos});
  if (form.segmented) control.add(SOL_UDP, UDP_SEGMENT, std::uint16_t(message.segment));
}

void UdpSender::count(Socket& socket, std::size_t sent, std::size_t refused) noexcept {
  counters_.datagrams_out.add(sent);
  if (refused > 0) counters_.drops.add(base::Drop::send_refused, refused);
  socket.without_gso -= std::min(socket.without_gso, std::uint32_t(sent));
}

std::string UdpSender::gso_state() const {
  const auto state = [](const Socket& socket) -> std::string {
    if (!socket.wants_gso) return "off";
    if (socket.without_gso > 0) return std::string("refused: ") + std::strerror(socket.refusal);
    return "on";
  };
  if (v6_.fd < 0) return state(v4_);
  if (v4_.fd < 0 || state(v4_) == state(v6_)) return state(v6_);
  return "IPv4 " + state(v4_) + ", IPv6 " + state(v6_);
}

}  // namespace culvert::wg
