// Small wrappers for host sockets: a descriptor that closes itself, and the system calls that flows
// make, with the IPv4 and the IPv6 spelling of each option behind one name. Nothing here blocks.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "base/file_descriptor.hpp"
#include "base/ip.hpp"

namespace culvert::proxy {

using base::FileDescriptor;

// A non-blocking socket of the address's family; errno is set if there is none.
FileDescriptor open_socket(const base::IpAddress& family_of, int type, int protocol = 0) noexcept;

bool set_option(int fd, int level, int name, int value) noexcept;
// Errors that ICMP reports are queued for recvmsg(MSG_ERRQUEUE) (ip(7), IP_RECVERR).
void set_receive_errors(int fd, const base::IpAddress& family_of, bool on) noexcept;
void set_ttl(int fd, const base::IpAddress& family_of, int ttl) noexcept;  // -1 = the default
// A client's "don't fragment" as the socket's rule: with it a datagram over the path MTU is refused
// with EMSGSIZE, without it the kernel fragments.
void set_dont_fragment(int fd, const base::IpAddress& family_of, bool on) noexcept;
// The next close sends RST instead of FIN.
void set_close_with_reset(int fd) noexcept;

// 0 or the errno.
int bind_to(int fd, const base::Endpoint& local) noexcept;
int connect_to(int fd, const base::Endpoint& remote) noexcept;
int pending_error(int fd) noexcept;  // SO_ERROR

// The local resource ran out (descriptors, memory, ports): not the origin's fault.
bool is_local_shortage(int error) noexcept;

// Control messages of one sendmsg: TTL, ECN, GSO segment size and source address. A value of -1 is
// left out.
class SendControl {
 public:
  static constexpr std::size_t capacity = 128;
  SendControl(const base::IpAddress& family_of, int ttl, int tos, int segment_size = -1) noexcept;
  // For a socket bound to every address.
  void pin_source(const base::IpAddress& source, bool on_ipv6_socket) noexcept;
  void attach(msghdr& message) noexcept {
    message.msg_control = size_ ? buffer_ : nullptr;
    message.msg_controllen = size_;
  }
  // The same into memory of the caller's, which outlives this.
  void copy_to(msghdr& message, std::span<char, capacity> memory) noexcept {
    std::memcpy(memory.data(), buffer_, size_);
    message.msg_control = size_ ? memory.data() : nullptr;
    message.msg_controllen = size_;
  }

 private:
  void add(int level, int type, const void* value, std::size_t size) noexcept;
  alignas(cmsghdr) char buffer_[capacity];
  static_assert(3 * CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(in6_pktinfo)) <= capacity);
  std::size_t size_ = 0;
};

}  // namespace culvert::proxy
