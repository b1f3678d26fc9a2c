// UdpReceiver: the receiving half of UdpSocket. One system call reads up to 16 messages, each of up
// to 64 datagrams where the kernel coalesced them (UDP_GRO), into places of a ring, where they wait
// in a line for each sender. They are handed out from there, a few of one sender and then of the
// next.
//
// The kernel has one queue for all, in which a flood would let nobody else in: so it is emptied
// first and what is too much is dropped here, where it is known whose it is.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "base/counters.hpp"
#include "wg/sender_lines.hpp"
#include "wg/udp_socket.hpp"

namespace culvert::wg {

class UdpReceiver {
 public:
  // `places` (up to 65,536) messages wait at the most.
  UdpReceiver(std::size_t places, base::WorkerCounters& counters);

  // As UdpSocket has them.
  void fetch(int fd, const UdpSocket::SenderOf& sender_of) noexcept;
  bool hand_out(const UdpSocket::OnDatagram& on_datagram, const UdpSocket::GoOn& go_on) noexcept;
  std::size_t senders_waiting() const noexcept { return lines_.senders(); }

 private:
  static constexpr std::size_t batch = 16;              // messages of one call
  static constexpr std::size_t most_calls = 32;         // of one fetch()
  static constexpr std::size_t buffer_size = 64 << 10;  // what UDP_GRO may make of one message
  static constexpr std::size_t control_size = 96;       // packet info and segment size, with room
  static constexpr std::size_t most_bytes = 8 << 20;    // waiting, of all
  static constexpr std::size_t datagrams_a_turn = 8;    // of one sender

  // A message that waits; `at` is what was handed out of it.
  struct Place {
    Path from;
    std::size_t length = 0, segment = 0, at = 0;
    std::size_t datagrams_left() const noexcept;
  };

  std::span<mmsghdr> prepare() noexcept;
  std::size_t read_batch(int fd, std::span<mmsghdr> headers) noexcept;
  void note(std::size_t i, SenderLines::Message place,
            const UdpSocket::SenderOf& sender_of) noexcept;
  void drop_one() noexcept;
  void release(SenderLines::Message place) noexcept;
  bool hand_out_of(SenderLines::Message place, std::size_t& left,
                   const UdpSocket::OnDatagram& on_datagram) noexcept;
  std::byte* buffer_of(SenderLines::Message place) noexcept {
    return buffers_.get() + place * buffer_size;
  }

  base::WorkerCounters& counters_;
  // Not initialised, and the place that was free last is filled first: a worker touches as much of
  // it as ever waited.
  std::unique_ptr<std::byte[]> buffers_;
  std::vector<Place> places_;
  SenderLines lines_;
  std::vector<SenderLines::Message> free_;  // room for all is reserved
  std::size_t bytes_ = 0;                   // waiting

  // Of one call.
  std::array<mmsghdr, batch> headers_{};
  std::array<iovec, batch> vectors_{};
  std::array<sockaddr_storage, batch> names_{};
  alignas(cmsghdr) std::array<std::array<std::byte, control_size>, batch> controls_{};
};

}  // namespace culvert::wg
