// The shared buffers of UDP: what clients sent in this loop turn, gathered per mapping and sent
// with few system calls (sendmmsg, UDP_SEGMENT); and what one receive call brings in (recvmmsg,
// UDP_GRO). A worker has one of each, so an idle mapping owns none.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/ip.hpp"
#include "base/pieces.hpp"
#include "proxy/host_socket.hpp"

namespace culvert::proxy {

// May a datagram be cut in fragments? `any`: it is so small that it never comes to that, so the
// socket may be set either way.
enum class Fragments : std::uint8_t { any, allowed, refused };

struct OutgoingDatagram {
  base::Endpoint to;
  std::uint32_t offset = 0;  // in the batch's arena
  std::uint16_t size = 0;
  std::uint8_t ttl = 0;
  std::uint8_t ecn = 0;
  Fragments fragments = Fragments::any;
  std::uint32_t next = 0;  // of the same mapping; index + 1

  bool same_path(const OutgoingDatagram& other) const noexcept {
    return to == other.to && ttl == other.ttl && ecn == other.ecn && fragments == other.fragments;
  }
};

class UdpBatch {
 public:
  // The socket's send buffer or the device's queue is full.
  static bool is_full(int error) noexcept {
    return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS || error == ENOMEM;
  }

  // The datagrams of one mapping, in order.
  struct Queue {
    std::uint32_t first = 0, last = 0;  // index + 1; 0 = none
    bool empty() const noexcept { return first == 0; }
  };

  UdpBatch();
  // False when there is no room: flush every queue, then clear().
  bool add(Queue& queue, OutgoingDatagram datagram, base::Bytes payload) noexcept;
  // Sends a queue on `fd`. `set_to` is how the socket is set, and is kept so. What the host does
  // not take goes to on_refused(datagram, error, how many of the same), which returns true to have
  // it tried once more; what it took to on_sent(datagram, how many to the same, their bytes).
  template <class OnRefused, class OnSent>
  void send(Queue& queue, int fd, Fragments& set_to, OnRefused&& on_refused,
            OnSent&& on_sent) noexcept;
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
    std::size_t count = 0, bytes = 0;
  };

  // Fills the messages from `first` on, as long as one rule serves them; returns the index + 1 of
  // the first datagram left out.
  std::uint32_t prepare(std::uint32_t first, Fragments& rule) noexcept;
  std::uint32_t add_run(std::uint32_t first) noexcept;
  int send_single(const OutgoingDatagram& datagram, int fd) noexcept;
  OutgoingDatagram& item(std::uint32_t index) noexcept { return items_[index - 1]; }
  template <class OnRefused, class OnSent>
  void send_one_by_one(const Message& message, int fd, OnRefused& on_refused,
                       OnSent& on_sent) noexcept;

  std::unique_ptr<std::byte[]> arena_;
  std::size_t used_ = 0;
  std::vector<OutgoingDatagram> items_;
  bool can_segment_ = true;

  std::size_t messages_ = 0, parts_ = 0;
  std::array<Message, max_messages> message_;
  std::array<mmsghdr, max_messages> headers_;
  std::array<sockaddr_storage, max_messages> addresses_;
  alignas(cmsghdr) std::array<std::array<char, SendControl::capacity>, max_messages> controls_;
  std::array<iovec, max_messages * max_segments> iovecs_;
};

template <class OnRefused, class OnSent>
void UdpBatch::send_one_by_one(const Message& message, int fd, OnRefused& on_refused,
                               OnSent& on_sent) noexcept {
  std::uint32_t index = message.first;
  for (std::size_t i = 0; i < message.count; ++i, index = item(index).next) {
    int error = send_single(item(index), fd);
    if (error && on_refused(item(index), error, 1)) {
      // The error may have been about an earlier datagram: Linux reports it on the next call.
      error = send_single(item(index), fd);
      if (error) on_refused(item(index), error, 1);
    }
    if (!error) on_sent(item(index), 1, item(index).size);
  }
}

template <class OnRefused, class OnSent>
void UdpBatch::send(Queue& queue, int fd, Fragments& set_to, OnRefused&& on_refused,
                    OnSent&& on_sent) noexcept {
  std::uint32_t next = queue.first;
  queue = {};
  while (next != 0) {
    const base::IpAddress& family = item(next).to.address;
    Fragments wanted = Fragments::any;
    next = prepare(next, wanted);
    if (wanted != Fragments::any && wanted != set_to) {
      set_to = wanted;
      set_dont_fragment(fd, family, wanted == Fragments::refused);
    }
    for (std::size_t done = 0; done < messages_;) {
      const int sent = ::sendmmsg(fd, headers_.data() + done, unsigned(messages_ - done),
                                  MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent > 0) {
        for (int i = 0; i < sent; ++i) {
          const Message& message = message_[done++];
          on_sent(item(message.first), message.count, message.bytes);
        }
      } else if (is_full(errno)) {
        // Asking for each of them would cost most when there is least time.
        const Message& message = message_[done];
        if (!on_refused(item(message.first), errno, message.count)) ++done;
      } else {
        // One datagram's error must not harm the rest.
        send_one_by_one(message_[done++], fd, on_refused, on_sent);
      }
    }
  }
}

// One receive call's worth of datagrams.
class UdpReceiver {
 public:
  struct Received {
    base::Endpoint from;
    base::IpAddress to;  // where the socket asks for it (IP_PKTINFO)
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
  void prepare(std::size_t i) noexcept;

  std::unique_ptr<std::byte[]> memory_;
  std::size_t used_ = max_messages;  // these want preparing again
  std::array<mmsghdr, max_messages> headers_;
  std::array<sockaddr_storage, max_messages> addresses_;
  std::array<iovec, max_messages> iovecs_;
  alignas(cmsghdr) std::array<std::array<char, 128>, max_messages> controls_;
};

}  // namespace culvert::proxy
