// UdpReceiver: the receiving half of UdpSocket. One system call reads up to 16 messages, each of up
// to 64 datagrams where the kernel coalesced them (UDP_GRO); they are handed out one by one, in
// order, from the ring they were read into.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <memory>

#include "base/counters.hpp"
#include "wg/udp_socket.hpp"

namespace culvert::wg {

class UdpReceiver {
 public:
  explicit UdpReceiver(base::WorkerCounters& counters);

  // As UdpSocket::receive().
  bool receive(int fd, std::size_t max_datagrams,
               const UdpSocket::OnDatagram& on_datagram) noexcept;

 private:
  static constexpr std::size_t ring_size = 16;
  static constexpr std::size_t buffer_size = 64 << 10;  // what UDP_GRO may make of one message
  static constexpr std::size_t control_size = 96;       // packet info and segment size, with room

  int read_batch(int fd) noexcept;
  std::size_t hand_out(std::size_t i, const UdpSocket::OnDatagram& on_datagram) noexcept;

  base::WorkerCounters& counters_;
  // Not initialised, and always filled from the front: an idle worker touches a page or two of it.
  std::unique_ptr<std::byte[]> buffers_;
  std::array<mmsghdr, ring_size> headers_{};
  std::array<iovec, ring_size> places_{};
  std::array<sockaddr_storage, ring_size> names_{};
  alignas(cmsghdr) std::array<std::array<std::byte, control_size>, ring_size> controls_{};
};

}  // namespace culvert::wg
