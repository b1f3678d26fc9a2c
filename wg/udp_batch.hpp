// SendBatch: the datagrams of one loop turn, in one arena, grouped into messages for the kernel.
//
// A message is what one UDP_SEGMENT send can carry: datagrams of one path and traffic class, all of
// one size but for the last, which may be shorter. A datagram joins the latest message of its path
// or begins a new one, so datagrams of a path never overtake each other, and packets for several
// peers may come in any order. Memory only; for UdpSender.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/pieces.hpp"
#include "wg/outbox.hpp"

namespace culvert::wg {

class SendBatch {
 public:
  static constexpr std::size_t arena_size = 512 << 10;
  static constexpr std::size_t max_datagram = 65507;       // an IPv4 UDP payload
  static constexpr std::size_t max_message_bytes = 65000;  // of one UDP_SEGMENT send
  static constexpr std::size_t max_segments = 64;          // UDP_MAX_SEGMENTS of Linux
  static constexpr std::size_t max_datagrams = 2048;

  struct Message {
    Path path;
    std::uint8_t tos = 0;
    std::uint16_t count = 0;    // datagrams
    std::uint32_t segment = 0;  // size of each but the last
    std::uint32_t bytes = 0;
    std::uint16_t first = 0, last = 0;  // datagrams, chained
  };

  SendBatch();

  // Room for one datagram; empty if the batch is full. `segments` false: a message of its own.
  base::MutableBytes add(const Path& path, std::size_t size, std::uint8_t tos,
                         bool segments) noexcept;
  void cancel_last() noexcept;
  void clear() noexcept;
  bool empty() const noexcept { return messages_.empty(); }

  std::span<const Message> messages() const noexcept { return messages_; }
  // Writes the places of a message's bytes (at most `count`, fewer where datagrams lie side by
  // side) and returns how many there are.
  std::size_t gather(const Message& message, std::span<iovec> out) const noexcept;
  // The same with one place per datagram.
  std::size_t list(const Message& message, std::span<iovec> out) const noexcept;

 private:
  struct Datagram {
    std::uint32_t offset = 0, size = 0;
    std::uint16_t next = 0, previous = 0;  // of the same message
  };

  Message* joinable(const Path& path, std::size_t size, std::uint8_t tos) noexcept;
  iovec place(const Datagram& datagram) const noexcept;

  std::unique_ptr<std::byte[]> arena_;  // not initialised: an idle worker touches a page or two
  std::size_t used_ = 0;
  std::vector<Datagram> datagrams_;
  std::vector<Message> messages_;
  std::size_t latest_ = 0;  // index of the message that the last datagram went to
  bool can_cancel_ = false;
};

}  // namespace culvert::wg
