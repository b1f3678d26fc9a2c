// Who may cost us a Diffie-Hellman: two budgets, so that a flood of forged initiations (MAC1 needs
// only our public key) starves neither the CPU nor the clients who prove their address by a cookie.
//
//   unverified   1,000/s; used while we are not under load
//   verified     1,000/s apart from those, and 20/s a host
//   responses    1,000/s to initiations of ours: the index they name was sent to their host only,
//                which proves as much as a cookie
//
// Under load = the unverified budget is being exceeded, and one second after. Then whoever has no
// cookie gets one and nothing else, though such messages still draw on the budget: it measures the
// flood that way, and load ends when the flood does.
#pragma once

#include "base/ip.hpp"
#include "base/token_bucket.hpp"
#include "wg/cookie.hpp"
#include "wg/rate_limiter.hpp"

namespace culvert::wg {

class LoadGate {
 public:
  static constexpr std::uint64_t unverified_rate = 1'000, verified_rate = 1'000;
  static constexpr std::uint64_t response_rate = 1'000;
  static constexpr std::uint64_t burst = 500;
  static constexpr base::Duration load_time = std::chrono::seconds(1);

  LoadGate(CookieServer& cookies, base::Random& random) noexcept;

  enum class Verdict { go_on, answer_cookie, refuse };
  // `message` is an initiation whose MAC1 is valid.
  Verdict admit_initiation(base::Bytes message, const base::Endpoint& from,
                           base::Time now) noexcept;
  // A response whose MAC1 is valid and whose receiver index is one of ours that waits.
  bool admit_response(base::Time now) noexcept;

  bool under_load(base::Time now) const noexcept { return now < load_until_; }

 private:
  CookieServer& cookies_;
  RateLimiter hosts_;
  base::TokenBucket unverified_, verified_, responses_;
  base::Time load_until_ = base::Time::min();
};

}  // namespace culvert::wg
