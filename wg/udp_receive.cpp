#include "wg/udp_receive.hpp"

#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/assert.hpp"

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

std::size_t UdpReceiver::Place::datagrams_left() const noexcept {
  if (segment == 0) return 1;
  return (length - at + segment - 1) / segment;
}

UdpReceiver::UdpReceiver(std::size_t places, base::WorkerCounters& counters)
    : counters_(counters),
      buffers_(std::make_unique_for_overwrite<std::byte[]>(places * buffer_size)),
      places_(places),
      lines_(places) {
  BASE_ASSERT(places > batch && places <= 65536);
  for (std::size_t i = places; i > 0; --i) free_.push_back(SenderLines::Message(i - 1));
  for (std::size_t i = 0; i < batch; ++i) {
    headers_[i].msg_hdr.msg_iov = &vectors_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
    headers_[i].msg_hdr.msg_name = &names_[i];
    headers_[i].msg_hdr.msg_control = controls_[i].data();
  }
}

// The last places of free_ in their order, last first.
std::span<mmsghdr> UdpReceiver::prepare() noexcept {
  while (free_.size() < batch || bytes_ > most_bytes) drop_one();
  for (std::size_t i = 0; i < batch; ++i) {
    vectors_[i] = {buffer_of(free_[free_.size() - 1 - i]), buffer_size};
    headers_[i].msg_hdr.msg_namelen = sizeof(sockaddr_storage);
    headers_[i].msg_hdr.msg_controllen = control_size;
  }
  return headers_;
}

// Who has most waiting loses of it, the oldest first: that is of least use by then.
void UdpReceiver::drop_one() noexcept {
  const SenderLines::Message place = lines_.pop_heaviest();
  counters_.drops.add(base::Drop::no_buffer, places_[place].datagrams_left());
  release(place);
}

void UdpReceiver::release(SenderLines::Message place) noexcept {
  bytes_ -= places_[place].length;
  free_.push_back(place);
}

// The messages read; 0 if there are none. A pending error of the socket (an ICMP answer to
// something sent) is taken from it by the call that reports it, so the next call goes on.
std::size_t UdpReceiver::read_batch(int fd, std::span<mmsghdr> headers) noexcept {
  constexpr int attempts = 8;
  for (int i = 0; i < attempts; ++i) {
    const int n = recvmmsg(fd, headers.data(), unsigned(headers.size()), MSG_DONTWAIT, nullptr);
    counters_.receive_calls.add();
    if (n >= 0) return std::size_t(n);
    if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
  }
  return 0;
}

void UdpReceiver::note(std::size_t i, SenderLines::Message number,
                       const UdpSocket::SenderOf& sender_of) noexcept {
  const Details details = details_of(headers_[i].msg_hdr);
  const std::size_t length = headers_[i].msg_len;
  const bool one = details.segment == 0 || details.segment >= length;
  Place& place = places_[number];
  place = {{base::Endpoint::from_sockaddr(names_[i]), details.local, details.interface},
           length,
           one ? 0 : details.segment,
           0};
  bytes_ += length;
  const std::size_t datagrams = place.datagrams_left();
  counters_.datagrams_in.add(datagrams);
  const std::byte* const data = buffer_of(number);
  const base::Bytes first(data, one ? length : details.segment);
  lines_.push(sender_of(first), number, std::uint16_t(datagrams));
}

void UdpReceiver::fetch(int fd, const UdpSocket::SenderOf& sender_of) noexcept {
  for (std::size_t call = 0; call < most_calls; ++call) {
    const std::size_t messages = read_batch(fd, prepare());
    for (std::size_t i = 0; i < messages; ++i) {
      const SenderLines::Message place = free_.back();
      free_.pop_back();
      note(i, place, sender_of);
    }
    if (messages < batch) return;
  }
}

// Takes from `left` what it hands out; true if that was all of the message.
bool UdpReceiver::hand_out_of(SenderLines::Message number, std::size_t& left,
                              const UdpSocket::OnDatagram& on_datagram) noexcept {
  Place& place = places_[number];
  std::byte* const data = buffer_of(number);
  if (place.segment == 0) {
    --left;
    on_datagram({data, place.length}, place.from);
    return true;
  }
  while (left > 0 && place.at < place.length) {
    const std::size_t size = std::min(place.segment, place.length - place.at);
    on_datagram({data + place.at, size}, place.from);
    place.at += size;
    --left;
  }
  return place.at == place.length;
}

bool UdpReceiver::hand_out(const UdpSocket::OnDatagram& on_datagram,
                           const UdpSocket::GoOn& go_on) noexcept {
  while (!lines_.empty()) {
    const std::uint32_t sender = lines_.sender();
    for (std::size_t left = datagrams_a_turn; left > 0;) {
      const SenderLines::Message place = lines_.front();
      if (!hand_out_of(place, left, on_datagram)) break;
      release(place);
      lines_.pop();
      if (lines_.empty() || lines_.sender() != sender) break;
    }
    if (!lines_.empty() && lines_.sender() == sender) lines_.next_sender();
    if (!go_on()) break;
  }
  return !lines_.empty();
}

}  // namespace culvert::wg
