#include "proxy/host_socket.hpp"

#include <netinet/tcp.h>
#include <netinet/udp.h>

#include <cerrno>
#include <cstring>

namespace culvert::proxy {

FileDescriptor open_socket(const base::IpAddress& family_of, int type, int protocol) noexcept {
  const int family = family_of.is_v4() ? AF_INET : AF_INET6;
  FileDescriptor fd(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
  // So that an IPv4-mapped address never leads to IPv4, and ports do not collide with IPv4's.
  if (fd && family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  return fd;
}

bool set_option(int fd, int level, int name, int value) noexcept {
  return ::setsockopt(fd, level, name, &value, sizeof value) == 0;
}

void set_receive_errors(int fd, const base::IpAddress& family_of, bool on) noexcept {
  if (family_of.is_v4())
    set_option(fd, IPPROTO_IP, IP_RECVERR, on);
  else
    set_option(fd, IPPROTO_IPV6, IPV6_RECVERR, on);
}

void set_ttl(int fd, const base::IpAddress& family_of, int ttl) noexcept {
  if (family_of.is_v4())
    set_option(fd, IPPROTO_IP, IP_TTL, ttl);
  else
    set_option(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl);
}

void set_dont_fragment(int fd, const base::IpAddress& family_of, bool on) noexcept {
  if (family_of.is_v4())
    set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, on ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT);
  else
    set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, on ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_WANT);
}

void set_close_with_reset(int fd) noexcept {
  const linger at_once{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

int bind_to(int fd, const base::Endpoint& local) noexcept {
  sockaddr_storage address;
  const socklen_t size = local.to_sockaddr(address);
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0 ? 0 : errno;
}

int connect_to(int fd, const base::Endpoint& remote) noexcept {
  sockaddr_storage address;
  const socklen_t size = remote.to_sockaddr(address);
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0 ? 0 : errno;
}

int pending_error(int fd) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

bool is_local_shortage(int error) noexcept {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
         error == EADDRNOTAVAIL || error == EADDRINUSE || error == ENOSPC;
}

SendControl::SendControl(const base::IpAddress& family_of, int ttl, int tos,
                         int segment_size) noexcept {
  const bool v4 = family_of.is_v4();
  if (ttl >= 0) add(v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_HOPLIMIT, &ttl, sizeof ttl);
  if (tos >= 0) add(v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &tos, sizeof tos);
  if (segment_size >= 0) {
    const auto size = std::uint16_t(segment_size);
    add(SOL_UDP, UDP_SEGMENT, &size, sizeof size);
  }
}

void SendControl::pin_source(const base::IpAddress& source, bool on_ipv6_socket) noexcept {
  if (!on_ipv6_socket) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, source.bytes().data(), sizeof info.ipi_spec_dst);
    return add(IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
  }
  in6_pktinfo info{};
  if (source.is_v4()) {  // ::ffff:a.b.c.d
    info.ipi6_addr.s6_addr[10] = info.ipi6_addr.s6_addr[11] = 0xff;
    std::memcpy(info.ipi6_addr.s6_addr + 12, source.bytes().data(), 4);
  } else {
    std::memcpy(&info.ipi6_addr, source.bytes().data(), sizeof info.ipi6_addr);
  }
  add(IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
}

void SendControl::add(int level, int type, const void* value, std::size_t size) noexcept {
  cmsghdr header{};
  header.cmsg_level = level;
  header.cmsg_type = type;
  header.cmsg_len = CMSG_LEN(size);
  std::memset(buffer_ + size_, 0, CMSG_SPACE(size));
  std::memcpy(buffer_ + size_, &header, sizeof header);
  std::memcpy(buffer_ + size_ + CMSG_LEN(0), value, size);
  size_ += CMSG_SPACE(size);
}

}  // namespace culvert::proxy
