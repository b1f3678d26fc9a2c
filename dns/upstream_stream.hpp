// DNS over TCP and TLS: messages behind their length, many under way on one connection, answers in
// any order (RFC 7766 sections 6.2.1 and 7, RFC 7858).
#pragma once

#include <optional>

#include "dns/upstream_carrier.hpp"

namespace culvert::dns {

// Cuts a stream into messages. What is left of one is at most its 65535 octets and its length.
class FrameReader {
 public:
  // Calls `message` for each that is whole; it returns false to stop. False: a frame that is none.
  template <class Message>
  bool take(base::Bytes bytes, Message message) {
    // What came in one piece, the usual case, is not copied.
    if (rest_.empty())
      return cut(bytes, message,
                 [this](base::Bytes left) { rest_.assign(left.begin(), left.end()); });
    rest_.insert(rest_.end(), bytes.begin(), bytes.end());
    return cut(base::Bytes(rest_), message, [this](base::Bytes left) {
      rest_.erase(rest_.begin(), rest_.end() - std::ptrdiff_t(left.size()));
    });
  }
  std::size_t pending() const noexcept { return rest_.size(); }

 private:
  template <class Message, class Keep>
  bool cut(base::Bytes bytes, Message& message, Keep keep) {
    while (bytes.size() >= 2) {
      const auto size = std::size_t(std::uint8_t(bytes[0]) << 8 | std::uint8_t(bytes[1]));
      if (size < header_size) return false;
      if (bytes.size() < 2 + size) break;
      const bool go_on = message(bytes.subspan(2, size));
      bytes = bytes.subspan(2 + size);
      if (!go_on) return false;
    }
    keep(bytes);
    return true;
  }

  std::vector<std::byte> rest_;
};

class StreamCarrier final : public Carrier {
 public:
  static constexpr unsigned most_bogus = 64;  // messages that nobody waits for, on one connection

  using Carrier::Carrier;

 private:
  void send(Exchange& exchange) noexcept override;
  void received(base::Bytes bytes) noexcept override;
  bool take(base::Bytes message) noexcept;
  Exchange* find(std::uint16_t id) const noexcept;

  FrameReader frames_;
  unsigned bogus_ = 0;
};

}  // namespace culvert::dns
