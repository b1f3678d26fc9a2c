// The five timers of a peer (paper, sections 6.2 to 6.5; names and details as the kernel has them):
//   retransmit    an initiation was sent and not answered: send another, 20 in all, then give up
//   keepalive     data came in and nothing went out for 10 s: send an empty packet
//   new handshake data went out and nothing came in for 15 s: the session may be dead, make a new
//   one wipe          540 s after the newest session was derived: every key goes persistent nothing
//   authenticated went either way for the configured interval: empty packet
//
// Events in, what is due out; no I/O and no clock. Each event is a few stores, for it happens with
// every packet. Jitter is given by the caller at handshakes and used until the next one.
#pragma once

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/time.hpp"
#include "wg/messages.hpp"

namespace culvert::wg {

class Timers {
 public:
  using Time = base::Time;

  explicit Timers(std::chrono::seconds persistent_interval = {}) noexcept
      : persistent_interval_(persistent_interval) {}

  // A packet that carries data.
  void data_sent(Time now) noexcept;
  void data_received(Time now) noexcept;
  // Anything authenticated: data, keepalives, handshakes.
  void authenticated_sent(Time now) noexcept;
  void authenticated_received(Time now) noexcept;

  // A handshake is wanted, by a packet or a rule. True: send an initiation now. False: one is under
  // way already, or it is too soon and will be due later. Starts the count of tries anew.
  [[nodiscard]] bool handshake_wanted(Time now) noexcept;
  void initiation_sent(Time now, base::Duration jitter) noexcept;
  void response_sent(Time now, base::Duration jitter) noexcept;
  void session_derived(Time now) noexcept;  // by either side
  void handshake_completed() noexcept;      // the session is confirmed
  // Once a session: a receiver's wish to rekey. True the first time.
  [[nodiscard]] bool last_minute_handshake() noexcept;

  void start_persistent(Time now) noexcept;  // the first packet at once
  // True if it was off and is on now. A packet that waits comes no later than the new interval says.
  [[nodiscard]] bool set_persistent(std::chrono::seconds interval, Time now) noexcept;
  void stop() noexcept;                      // forgets everything

  // Set bits of what is due now; those timers are off then, until an event starts them again.
  struct Due {
    bool retry = false;      // send another initiation
    bool give_up = false;    // drop what is staged
    bool keepalive = false;  // passive or persistent
    bool new_handshake = false;
    bool wipe = false;
  };
  Due expire(Time now) noexcept;
  Time deadline() const noexcept;

 private:
  void traversed(Time now) noexcept;
  void expire_retransmit(Time now, Due& due) noexcept;

  Time retransmit_ = base::never;
  Time keepalive_ = base::never;
  Time new_handshake_ = base::never;
  Time wipe_ = base::never;
  Time persistent_ = base::never;
  Time last_handshake_ = Time::min();  // initiation or response sent
  base::Duration jitter_{};
  std::chrono::seconds persistent_interval_;
  unsigned retries_ = 0;
  bool another_keepalive_ = false;
  bool last_minute_done_ = false;
};

inline void Timers::traversed(Time now) noexcept {
  if (persistent_interval_.count() != 0) persistent_ = now + persistent_interval_;
}
inline void Timers::data_sent(Time now) noexcept {
  if (new_handshake_ == base::never)
    new_handshake_ = now + keepalive_timeout + rekey_timeout + jitter_;
}
inline void Timers::data_received(Time now) noexcept {
  if (keepalive_ == base::never)
    keepalive_ = now + keepalive_timeout;
  else
    another_keepalive_ = true;
}
inline void Timers::authenticated_sent(Time now) noexcept {
  keepalive_ = base::never;
  traversed(now);
}
inline void Timers::authenticated_received(Time now) noexcept {
  new_handshake_ = base::never;
  traversed(now);
}
inline Timers::Time Timers::deadline() const noexcept {
  return std::min({retransmit_, keepalive_, new_handshake_, wipe_, persistent_});
}

}  // namespace culvert::wg
