#include "wg/timers.hpp"

namespace culvert::wg {

bool Timers::handshake_wanted(Time now) noexcept {
  retries_ = 0;
  if (retransmit_ != base::never) return false;
  if (last_handshake_ == Time::min() || now - last_handshake_ >= rekey_timeout) return true;
  // One initiation in five seconds, whatever asks; the wish itself must not be lost.
  retransmit_ = last_handshake_ + rekey_timeout + jitter_;
  return false;
}

void Timers::initiation_sent(Time now, base::Duration jitter) noexcept {
  jitter_ = jitter;
  last_handshake_ = now;
  retransmit_ = now + rekey_timeout + jitter;
  authenticated_sent(now);
}

void Timers::response_sent(Time now, base::Duration jitter) noexcept {
  jitter_ = jitter;
  last_handshake_ = now;
  authenticated_sent(now);
}

void Timers::session_derived(Time now) noexcept {
  wipe_ = now + key_wipe_time;
}

void Timers::handshake_completed() noexcept {
  retransmit_ = base::never;
  retries_ = 0;
  last_minute_done_ = false;
}

bool Timers::last_minute_handshake() noexcept {
  return !std::exchange(last_minute_done_, true);
}

void Timers::start_persistent(Time now) noexcept {
  if (persistent_interval_.count() != 0) persistent_ = now;
}

bool Timers::set_persistent(std::chrono::seconds interval, Time now) noexcept {
  const bool was_on = std::exchange(persistent_interval_, interval).count() != 0;
  const bool is_on = interval.count() != 0;
  if (!is_on)
    persistent_ = base::never;
  else if (persistent_ != base::never)
    persistent_ = std::min(persistent_, now + interval);
  return is_on && !was_on;
}

void Timers::stop() noexcept {
  *this = Timers(persistent_interval_);
}

void Timers::expire_retransmit(Time now, Due& due) noexcept {
  // A response of ours may have gone out after the initiation that is to be repeated.
  if (now - last_handshake_ < rekey_timeout) {
    retransmit_ = last_handshake_ + rekey_timeout + jitter_;
    return;
  }
  retransmit_ = base::never;
  if (++retries_ < max_handshake_sends) {
    due.retry = true;
    return;
  }
  due.give_up = true;
  retries_ = 0;
  keepalive_ = base::never;
  if (wipe_ == base::never) wipe_ = now + key_wipe_time;
}

Timers::Due Timers::expire(Time now) noexcept {
  Due due;
  if (retransmit_ <= now) expire_retransmit(now, due);
  if (keepalive_ <= now) {
    due.keepalive = true;
    keepalive_ = std::exchange(another_keepalive_, false) ? now + keepalive_timeout : base::never;
  }
  if (new_handshake_ <= now) {
    due.new_handshake = true;
    new_handshake_ = base::never;
  }
  if (wipe_ <= now) {
    due.wipe = true;
    wipe_ = base::never;
  }
  if (persistent_ <= now) {
    due.keepalive = true;
    persistent_ = base::never;
  }
  return due;
}

}  // namespace culvert::wg
