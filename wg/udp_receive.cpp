#include "wg/udp_receive.hpp"

#include <netinet/udp.h>

#include <cerrno>
#include <cstring>

namespace culvert::wg {
namespace {

struct Details {
  base::IpAddress local;
  std::uint32_t interface = 0;
  std::size_t segment = 0;  // 0: one datagram
};

template <class T>
T value_of(const cmsghdr* control) noexcept {
  T value;
  std::memcpy(&value, CMSG_DATA(control), sizeof value);
  return value;
}

Details details_of(msghdr& header) noexcept {
  Details details;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      const auto info = value_of<in_pktinfo>(c);
      details.local = base::IpAddress::v4(ntohl(info.ipi_spec_dst.s_addr));
      details.interface = std::uint32_t(info.ipi_ifindex);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      const auto info = value_of<in6_pktinfo>(c);
      details.local = base::IpAddress::v6(
          std::as_bytes(std::span<const std::uint8_t, 16>(info.ipi6_addr.s6_addr)));
      details.interface = info.ipi6_ifindex;
    } else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
      details.segment = std::size_t(value_of<int>(c));
    }
  }
  return details;
}

}  // namespace

UdpReceiver::UdpReceiver(base::WorkerCounters& counters)
    : counters_(counters),
      buffers_(std::make_unique_for_overwrite<std::byte[]>(ring_size * buffer_size)) {
  for (std::size_t i = 0; i < ring_size; ++i) {
    places_[i] = {buffers_.get() + i * buffer_size, buffer_size};
    headers_[i].msg_hdr.msg_iov = &places_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
    headers_[i].msg_hdr.msg_name = &names_[i];
    headers_[i].msg_hdr.msg_control = controls_[i].data();
  }
}

// The messages read; 0 if there are none. A pending error of the socket (an ICMP answer to
// something sent) is taken from it by the call that reports it, so the next call goes on.
int UdpReceiver::read_batch(int fd) noexcept {
  constexpr int attempts = 8;
  for (auto& [header, length] : headers_) {
    header.msg_namelen = sizeof(sockaddr_storage);
    header.msg_controllen = control_size;
  }
  for (int i = 0; i < attempts; ++i) {
    const int n = recvmmsg(fd, headers_.data(), ring_size, MSG_DONTWAIT, nullptr);
    counters_.receive_calls.add();
    if (n >= 0) return n;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
  }
  return 0;
}

std::size_t UdpReceiver::hand_out(std::size_t i,
                                  const UdpSocket::OnDatagram& on_datagram) noexcept {
  msghdr& header = headers_[i].msg_hdr;
  const std::size_t length = headers_[i].msg_len;
  const Details details = details_of(header);
  const Path from{base::Endpoint::from_sockaddr(names_[i]), details.local, details.interface};
  std::byte* const data = buffers_.get() + i * buffer_size;
  if (details.segment == 0 || details.segment >= length) {
    on_datagram({data, length}, from);
    return 1;
  }
  std::size_t count = 0;
  for (std::size_t at = 0; at < length; at += details.segment, ++count)
    on_datagram({data + at, std::min(details.segment, length - at)}, from);
  return count;
}

bool UdpReceiver::receive(int fd, std::size_t max_datagrams,
                          const UdpSocket::OnDatagram& on_datagram) noexcept {
  std::size_t total = 0;
  while (total < max_datagrams) {
    const auto messages = std::size_t(read_batch(fd));
    std::size_t datagrams = 0;
    for (std::size_t i = 0; i < messages; ++i) datagrams += hand_out(i, on_datagram);
    counters_.datagrams_in.add(datagrams);
    total += datagrams;
    if (messages < ring_size) return false;
  }
  return true;
}

}  // namespace culvert::wg
