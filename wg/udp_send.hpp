// UdpSender: the sending half of UdpSocket. What a loop turn reserved leaves in sendmmsg calls of
// up to 64 messages, each of up to 64 datagrams by UDP_SEGMENT.
//
// What the kernel may refuse, and the answer, always from the same datagrams in the same order:
//   the local address has vanished (EINVAL, ENETUNREACH, ...)  send without it
//   the route cannot segment (EIO), or its MTU is smaller
//   than one segment (EINVAL, EMSGSIZE)                        send one by one, and so for a while
//   the socket's buffer is full (EAGAIN, ENOBUFS)              drop what is left for this socket
//   anything else                                              drop this message
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "base/counters.hpp"
#include "wg/udp_batch.hpp"

namespace culvert::wg {

class UdpSender {
 public:
  UdpSender(int fd_v4, int fd_v6, bool gso, base::WorkerCounters& counters);

  base::MutableBytes reserve(const Path& path, std::size_t size, std::uint8_t tos) noexcept;
  void cancel_last() noexcept { batch_.cancel_last(); }
  void flush() noexcept;
  bool pending() const noexcept { return !batch_.empty(); }
  std::string gso_state() const;

 private:
  static constexpr std::size_t max_headers = 64;
  static constexpr std::size_t max_places = 256;
  // After a refusal this many datagrams go one by one before segmentation is tried again: routes
  // and devices change, and one failing call in thousands costs nothing.
  static constexpr std::uint32_t retry_after = 8192;

  struct Socket {
    int fd = -1;
    bool wants_gso = false;         // by setting and by what the kernel knows
    std::uint32_t without_gso = 0;  // datagrams still to go one by one
    int refusal = 0;                // errno of the last refused segmentation
    bool gso() const noexcept { return wants_gso && without_gso == 0; }
  };
  // One message as the kernel wants it.
  struct Envelope {
    sockaddr_storage name;
    alignas(cmsghdr) std::array<std::byte, 96> control;  // packet info, traffic class, segment size
  };
  struct Form {
    bool segmented = false;  // all datagrams in one, by UDP_SEGMENT
    bool with_local = true;  // from the path's local address
  };
  struct Outcome {
    std::size_t sent = 0;  // datagrams
    bool full = false;     // the socket takes no more
  };

  static Socket open_socket(int fd, bool gso) noexcept;
  static void prepare(msghdr& header, Envelope& envelope, const SendBatch::Message& message,
                      std::span<iovec> places, Form form) noexcept;
  const Socket& socket_for(const Path& path) const noexcept;
  void flush_socket(Socket& socket) noexcept;
  bool send_prepared(Socket& socket, std::size_t count) noexcept;
  Outcome send_refused(Socket& socket, const SendBatch::Message& message, int error) noexcept;
  Outcome send_separately(Socket& socket, const SendBatch::Message& message) noexcept;
  int send_one(const Socket& socket, const SendBatch::Message& message, std::span<iovec> places,
               Form form) noexcept;
  void count(Socket& socket, std::size_t sent, std::size_t refused) noexcept;

  base::WorkerCounters& counters_;
  Socket v4_, v6_;
  SendBatch batch_;
  std::array<mmsghdr, max_headers> headers_{};
  std::array<Envelope, max_headers> envelopes_{};
  std::array<const SendBatch::Message*, max_headers> prepared_{};
  std::array<iovec, max_places> places_{};
};

}  // namespace culvert::wg
