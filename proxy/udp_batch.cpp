#include "proxy/udp_batch.hpp"

#include <netinet/udp.h>

#include <cerrno>
#include <cstring>

namespace culvert::proxy {

UdpBatch::UdpBatch() : arena_(new std::byte[arena_size]) {
  items_.reserve(max_items);
}

bool UdpBatch::add(Queue& queue, OutgoingDatagram datagram, base::Bytes payload) noexcept {
  if (items_.size() == max_items || payload.size() > arena_size - used_) return false;
  if (!payload.empty()) std::memcpy(arena_.get() + used_, payload.data(), payload.size());
  datagram.offset = std::uint32_t(used_);
  datagram.size = std::uint16_t(payload.size());
  used_ += payload.size();
  items_.push_back(datagram);
  const auto index = std::uint32_t(items_.size());
  if (queue.empty())
    queue.first = index;
  else
    item(queue.last).next = index;
  queue.last = index;
  return true;
}

// Neighbours of one size on one path become one message that the kernel splits (UDP_SEGMENT).
std::uint32_t UdpBatch::add_run(std::uint32_t first) noexcept {
  const OutgoingDatagram& head = item(first);
  Message& message = message_[messages_];
  message = {.first = first};
  const std::size_t first_part = parts_;
  std::uint32_t index = first;
  while (index != 0) {
    const OutgoingDatagram& d = item(index);
    const bool fits = message.count == 0 ||
                      (can_segment_ && d.size > 0 && d.size <= head.size && d.same_path(head) &&
                       message.count < max_segments &&
                       message.bytes + d.size <= max_run_bytes);
    if (!fits) break;
    iovecs_[parts_++] = {arena_.get() + d.offset, d.size};
    message.bytes += d.size;
    ++message.count;
    index = d.next;
    if (d.size < head.size) break;  // only the last may be shorter
  }
  msghdr& header = headers_[messages_].msg_hdr;
  header = {};
  header.msg_name = &addresses_[messages_];
  header.msg_namelen = head.to.to_sockaddr(addresses_[messages_]);
  header.msg_iov = &iovecs_[first_part];
  header.msg_iovlen = parts_ - first_part;
  SendControl control(head.to.address, head.ttl, head.ecn, message.count > 1 ? head.size : -1);
  control.copy_to(header, controls_[messages_]);
  ++messages_;
  return index;
}

std::uint32_t UdpBatch::prepare(std::uint32_t first, Fragments& rule) noexcept {
  messages_ = parts_ = 0;
  std::uint32_t index = first;
  while (index != 0 && messages_ < max_messages) {
    const Fragments wanted = item(index).fragments;
    if (rule == Fragments::any)
      rule = wanted;
    else if (wanted != Fragments::any && wanted != rule)
      break;
    index = add_run(index);
  }
  return index;
}

int UdpBatch::send_single(const OutgoingDatagram& datagram, int fd) noexcept {
  sockaddr_storage address;
  iovec part{arena_.get() + datagram.offset, datagram.size};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = datagram.to.to_sockaddr(address);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  SendControl control(datagram.to.address, datagram.ttl, datagram.ecn);
  control.attach(message);
  return ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? errno : 0;
}

UdpReceiver::UdpReceiver() : memory_(new std::byte[buffer_size * max_messages]) {}

void UdpReceiver::prepare(std::size_t i) noexcept {
  iovecs_[i] = {memory_.get() + i * buffer_size, buffer_size};
  msghdr& header = headers_[i].msg_hdr;
  header = {};
  header.msg_name = &addresses_[i];
  header.msg_namelen = sizeof addresses_[i];
  header.msg_iov = &iovecs_[i];
  header.msg_iovlen = 1;
  header.msg_control = controls_[i].data();
  header.msg_controllen = controls_[i].size();
}

int UdpReceiver::receive(int fd) noexcept {
  for (std::size_t i = 0; i < used_; ++i) prepare(i);
  const int count = ::recvmmsg(fd, headers_.data(), max_messages, MSG_DONTWAIT, nullptr);
  used_ = count > 0 ? std::size_t(count) : 0;
  return count;
}

namespace {

base::IpAddress local_of(const cmsghdr& header) noexcept {
  const auto* value = reinterpret_cast<const unsigned char*>(&header) + CMSG_LEN(0);
  sockaddr_storage storage{};
  if (header.cmsg_level == IPPROTO_IP) {
    in_pktinfo info;
    std::memcpy(&info, value, sizeof info);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr = info.ipi_addr;
    std::memcpy(&storage, &address, sizeof address);
  } else {
    in6_pktinfo info;
    std::memcpy(&info, value, sizeof info);
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = info.ipi6_addr;
    std::memcpy(&storage, &address, sizeof address);
  }
  return base::Endpoint::from_sockaddr(storage).address;
}

}  // namespace

UdpReceiver::Received UdpReceiver::operator[](std::size_t i) const noexcept {
  Received received;
  received.from = base::Endpoint::from_sockaddr(addresses_[i]);
  received.data = {memory_.get() + i * buffer_size, headers_[i].msg_len};
  received.segment = headers_[i].msg_len;
  msghdr header = headers_[i].msg_hdr;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
    const auto* value = reinterpret_cast<const unsigned char*>(c) + CMSG_LEN(0);
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
      int segment = 0;
      std::memcpy(&segment, value, sizeof segment);
      if (segment > 0) received.segment = std::size_t(segment);
    } else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) ||
               (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)) {
      received.ecn = value[0] & 3;  // a byte, or the low byte of an int
    } else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) ||
               (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)) {
      received.to = local_of(*c);
    }
  }
  return received;
}

}  // namespace culvert::proxy
