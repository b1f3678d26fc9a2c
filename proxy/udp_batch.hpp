// The shared buffers of UDP: what clients sent in this loop turn, gathered per mapping and sent
// with few system calls (sendmmsg, UDP_SEGMENT); and what one receive call brings in (recvmmsg,
// UDP_GRO). A worker has one of each, so an idle mapping owns none.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/ip.hpp"
#include "base/pieces.hpp"
#include "proxy/host_socket.hpp"

namespace culvert::proxy {

struct OutgoingDatagram {
  base::Endpoint to;
  std::uint32_t offset = 0;  // in the batch's arena
  std::uint16_t size = 0;
  std::uint8_t ttl = 0;
  std::uint8_t ecn = 0;
  bool dont_fragment = false;
  std::uint32_t next = 0;  // of the same mapping; index + 1

  bool same_path(const OutgoingDatagram& other) const noexcept {
    return to == other.to && ttl == other.ttl && ecn == other.ecn &&
           dont_fragment == other.dont_fragment;
  }
};

class UdpBatch {
 public:
  // The datagrams of one mapping, in order.
  struct Queue {
    std::uint32_t first = 0, last = 0;  // index + 1; 0 = none
    bool empty() const noexcept { return first == 0; }
  };

  UdpBatch();
  // False when there is no room: flush every queue, then clear().
  bool add(Queue& queue, OutgoingDatagram datagram, base::Bytes payload) noexcept;
  // Sends a queue on `fd`. `dont_fragment` is how the socket is set, and is kept so. What the host
  // does not take goes to on_refused(datagram, error), which returns true to have it tried once
  // more.
  template <class OnRefused>
  void send(Queue& queue, int fd, bool& dont_fragment, OnRefused&& on_refused) noexcept;
  void clear() noexcept { items_.clear(), used_ = 0; }
  bool empty() const noexcept { return items_.empty(); }

 private:
  static constexpr std::size_t arena_size = 1 << 20;
  static constexpr std::size_t max_items = 2048;
  static constexpr std::size_t max_messages = 32;
  static constexpr std::size_t max_segments = 64;  // the kernel's UDP_MAX_SEGMENTS of old
  static constexpr std::size_t max_run_bytes = 65000;

  struct Message {
    std::uint32_t first = 0;  // index + 1
    std::size_t count = 0;
  };

  // Fills the messages from `first` on; returns the index + 1 of the first datagram left out.
  std::uint32_t prepare(std::uint32_t first) noexcept;
  std::uint32_t add_run(std::uint32_t first) noexcept;
  int send_single(const OutgoingDatagram& datagram, int fd) noexcept;
  OutgoingDatagram& item(std::uint32_t index) noexcept { return items_[index - 1]; }
  template <class OnRefused>
  void send_one_by_one(const Message& message, int fd, OnRefused& on_refused) noexcept;

  std::unique_ptr<std::byte[]> arena_;
  std::size_t used_ = 0;
  std::vector<OutgoingDatagram> items_;
  bool can_segment_ = true;

  std::size_t messages_ = 0, parts_ = 0;
  std::array<Message, max_messages> message_;
  std::array<mmsghdr, max_messages> headers_;
  std::array<sockaddr_storage, max_messages> addresses_;
  alignas(cmsghdr) std::array<std::array<char, 96>, max_messages> controls_;
  std::array<iovec, max_messages * max_segments> iovecs_;
};

template <class OnRefused>
void UdpBatch::send_one_by_one(const Message& message, int fd, OnRefused& on_refused) noexcept {
  std::uint32_t index = message.first;
  for (std::size_t i = 0; i < message.count; ++i, index = item(index).next) {
    int error = send_single(item(index), fd);
    if (error && on_refused(item(index), error)) {
      // The error may have been about an earlier datagram: Linux reports it on the next call.
      error = send_single(item(index), fd);
      if (error) on_refused(item(index), error);
    }
  }
}

template <class OnRefused>
void UdpBatch::send(Queue& queue, int fd, bool& dont_fragment, OnRefused&& on_refused) noexcept {
  std::uint32_t next = queue.first;
  queue = {};
  while (next != 0) {
    const OutgoingDatagram& first = item(next);
    if (first.dont_fragment != dont_fragment) {
      dont_fragment = first.dont_fragment;
      set_dont_fragment(fd, first.to.address, dont_fragment);
    }
    next = prepare(next);
    for (std::size_t done = 0; done < messages_;) {
      const int sent = ::sendmmsg(fd, headers_.data() + done, unsigned(messages_ - done),
                                  MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent > 0) done += std::size_t(sent);
      // One datagram's error must not harm the rest.
      if (sent <= 0) send_one_by_one(message_[done++], fd, on_refused);
    }
  }
}

// One receive call's worth of datagrams.
class UdpReceiver {
 public:
  struct Received {
    base::Endpoint from;
    base::Bytes data;
    std::size_t segment = 0;  // size of each datagram in `data`; the last may be shorter
    std::uint8_t ecn = 0;
  };

  UdpReceiver();
  // How many came, or -1 with errno. Valid until the next call.
  int receive(int fd) noexcept;
  Received operator[](std::size_t i) const noexcept;
  static constexpr int max_messages = 16;
  // One buffer of it, for whoever receives one datagram at a time.
  base::MutableBytes scratch() noexcept { return {memory_.get(), buffer_size}; }

 private:
  static constexpr std::size_t buffer_size = 65536;
  std::unique_ptr<std::byte[]> memory_;
  std::array<mmsghdr, max_messages> headers_;
  std::array<sockaddr_storage, max_messages> addresses_;
  std::array<iovec, max_messages> iovecs_;
  alignas(cmsghdr) std::array<std::array<char, 128>, max_messages> controls_;
};

}  // namespace culvert::proxy
