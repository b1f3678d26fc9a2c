#include "proxy/error_queue.hpp"

#include <time.h>

#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace culvert::proxy {

using netstack::IcmpError;

std::optional<IcmpError> from_icmp4(std::uint8_t type, std::uint8_t code) noexcept {
  if (type == ICMP_TIME_EXCEEDED)
    return code == ICMP_EXC_FRAGTIME ? IcmpError::reassembly_timeout : IcmpError::ttl_exceeded;
  if (type != ICMP_DEST_UNREACH) return {};
  switch (code) {
    case ICMP_NET_UNREACH:
    case ICMP_NET_UNKNOWN:
    case ICMP_NET_UNR_TOS:
      return IcmpError::net_unreachable;
    case ICMP_PROT_UNREACH:
      return IcmpError::protocol_unreachable;
    case ICMP_PORT_UNREACH:
      return IcmpError::port_unreachable;
    case ICMP_FRAG_NEEDED:
      return IcmpError::too_big;
    case ICMP_NET_ANO:
    case ICMP_HOST_ANO:
    case ICMP_PKT_FILTERED:
      return IcmpError::prohibited;
    default:
      return IcmpError::host_unreachable;
  }
}

std::optional<IcmpError> from_icmp6(std::uint8_t type, std::uint8_t code) noexcept {
  if (type == ICMP6_PACKET_TOO_BIG) return IcmpError::too_big;
  if (type == ICMP6_TIME_EXCEEDED)
    return code == ICMP6_TIME_EXCEED_REASSEMBLY ? IcmpError::reassembly_timeout
                                                : IcmpError::ttl_exceeded;
  if (type == ICMP6_PARAM_PROB && code == ICMP6_PARAMPROB_NEXTHEADER)
    return IcmpError::protocol_unreachable;
  if (type != ICMP6_DST_UNREACH) return {};
  switch (code) {
    case ICMP6_DST_UNREACH_NOROUTE:
      return IcmpError::net_unreachable;
    case ICMP6_DST_UNREACH_NOPORT:
      return IcmpError::port_unreachable;
    case ICMP6_DST_UNREACH_ADDR:
      return IcmpError::host_unreachable;
    default:
      return IcmpError::prohibited;
  }
}

std::optional<IcmpError> from_errno(int error) noexcept {
  switch (error) {
    case ENETUNREACH:
    case ENETDOWN:
    case EAFNOSUPPORT:
      return IcmpError::net_unreachable;
    case EHOSTUNREACH:
    case EHOSTDOWN:
      return IcmpError::host_unreachable;
    case ENOPROTOOPT:
      return IcmpError::protocol_unreachable;
    case ECONNREFUSED:
      return IcmpError::port_unreachable;
    case EACCES:
    case EPERM:
      return IcmpError::prohibited;
    case EMSGSIZE:
      return IcmpError::too_big;
    default:
      return {};
  }
}

namespace {

// The offender's address lies behind the extended error (SO_EE_OFFENDER).
base::IpAddress offender_of(const cmsghdr& header) noexcept {
  const auto* data = reinterpret_cast<const unsigned char*>(&header) + CMSG_LEN(0);
  const std::size_t have = header.cmsg_len - CMSG_LEN(0);
  if (have <= sizeof(sock_extended_err)) return {};
  sockaddr_storage address{};
  std::memcpy(&address, data + sizeof(sock_extended_err),
              std::min(have - sizeof(sock_extended_err), sizeof address));
  if (address.ss_family != AF_INET && address.ss_family != AF_INET6) return {};
  return base::Endpoint::from_sockaddr(address).address;
}

void read_extended_error(const cmsghdr& header, SocketError& out) noexcept {
  sock_extended_err e;
  std::memcpy(&e, reinterpret_cast<const unsigned char*>(&header) + CMSG_LEN(0), sizeof e);
  out.error = int(e.ee_errno);
  if (e.ee_origin == SO_EE_ORIGIN_ICMP || e.ee_origin == SO_EE_ORIGIN_ICMP6) {
    out.offender = offender_of(header);
    out.icmp = e.ee_origin == SO_EE_ORIGIN_ICMP ? from_icmp4(e.ee_type, e.ee_code)
                                                : from_icmp6(e.ee_type, e.ee_code);
  } else {
    out.icmp = from_errno(out.error);
  }
  if (out.icmp == IcmpError::too_big) out.mtu = e.ee_info;
}

}  // namespace

std::optional<SocketError> next_socket_error(int fd) noexcept {
  SocketError found;
  sockaddr_storage target{};
  iovec data{found.payload.data(), found.payload.size()};
  alignas(cmsghdr) char control[512];
  msghdr message{};
  message.msg_name = &target;
  message.msg_namelen = sizeof target;
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = ::recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
  if (size < 0) return {};

  found.payload_size = std::min(std::size_t(size), found.payload.size());
  if (message.msg_namelen > 0) found.target = base::Endpoint::from_sockaddr(target);
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
    const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
    const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
    if ((v4 || v6) && c->cmsg_len >= CMSG_LEN(sizeof(sock_extended_err)))
      read_extended_error(*c, found);
  }
  return found;
}

}  // namespace culvert::proxy
