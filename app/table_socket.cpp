#include "app/table_socket.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace culvert::app {
namespace {

// Room for one descriptor beside a message of one byte.
struct Parcel {
  Parcel() noexcept {
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = room;
    message.msg_controllen = sizeof room;
  }
  char byte = 't';
  iovec part{&byte, 1};
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
};

}  // namespace

std::pair<base::FileDescriptor, base::FileDescriptor> make_table_sockets() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
    throw std::system_error(errno, std::generic_category(), "socketpair for rule tables");
  return {base::FileDescriptor(ends[0]), base::FileDescriptor(ends[1])};
}

bool send_table(int socket, int table) noexcept {
  Parcel parcel;
  cmsghdr* const header = CMSG_FIRSTHDR(&parcel.message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof table);
  std::memcpy(CMSG_DATA(header), &table, sizeof table);
  return ::sendmsg(socket, &parcel.message, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

base::FileDescriptor receive_table(int socket) noexcept {
  Parcel parcel;
  if (::recvmsg(socket, &parcel.message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1) return {};
  const cmsghdr* const header = CMSG_FIRSTHDR(&parcel.message);
  if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(int)))
    return {};
  int table = -1;
  std::memcpy(&table, CMSG_DATA(header), sizeof table);
  return base::FileDescriptor(table);
}

}  // namespace culvert::app
