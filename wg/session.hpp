// Session: one pair of transport keys (paper, sections 5.4.6 and 6.2) with its send counter, replay
// window and limits of age and use. A peer holds up to three; who uses which is decided in
// peer.cpp.
#pragma once

#include <optional>

#include "base/counters.hpp"
#include "base/time.hpp"
#include "wg/noise.hpp"
#include "wg/replay_window.hpp"

namespace culvert::wg {

class Session {
 public:
  Session(TransportKeys keys, std::uint32_t local_index, std::uint32_t remote_index, bool initiator,
          base::Time created, std::uint64_t first_counter = 0) noexcept
      : keys_(std::move(keys)),
        send_counter_(first_counter),
        created_(created),
        local_index_(local_index),
        remote_index_(remote_index),
        initiator_(initiator) {}

  std::uint32_t local_index() const noexcept { return local_index_; }
  bool initiator() const noexcept { return initiator_; }

  bool can_send(base::Time now) const noexcept {
    return !expired(now) && send_counter_ < reject_after_messages;
  }
  bool expired(base::Time now) const noexcept { return now - created_ >= reject_after_time; }

  // Section 6.2: after these a new handshake is due while this session still works.
  bool rekey_due_on_send(base::Time now) const noexcept {
    return send_counter_ > rekey_after_messages ||
           (initiator_ && now - created_ >= rekey_after_time);
  }
  bool rekey_due_on_receive(base::Time now) const noexcept {
    return initiator_ && now - created_ >= reject_after_time - keepalive_timeout - rekey_timeout;
  }

  // `datagram` holds 16 bytes for the header, the plaintext, and 16 bytes for the tag. can_send().
  void seal(base::MutableBytes datagram) noexcept;

  // Opens a whole data message into `plain` (datagram.size() - data_overhead bytes); says why not.
  std::optional<base::Drop> open(base::Bytes datagram, base::MutableBytes plain,
                                 base::Time now) noexcept;

 private:
  TransportKeys keys_;
  std::uint64_t send_counter_;
  base::Time created_;
  std::uint32_t local_index_;
  std::uint32_t remote_index_;
  bool initiator_;
  ReplayWindow window_;
};

}  // namespace culvert::wg
