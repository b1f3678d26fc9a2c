#include "wg/load_gate.hpp"

namespace culvert::wg {

LoadGate::LoadGate(CookieServer& cookies, base::Random& random) noexcept
    : cookies_(cookies),
      hosts_(random),
      unverified_(unverified_rate, burst, base::Time{}),
      verified_(verified_rate, burst, base::Time{}),
      responses_(response_rate, burst, base::Time{}) {}

LoadGate::Verdict LoadGate::admit_initiation(base::Bytes message, const base::Endpoint& from,
                                             base::Time now) noexcept {
  if (!under_load(now) && unverified_.try_take(1, now)) return Verdict::go_on;
  if (!cookies_.mac2_valid(message, from, now)) {
    if (!under_load(now) || !unverified_.try_take(1, now)) load_until_ = now + load_time;
    return Verdict::answer_cookie;
  }
  if (!hosts_.allow(from.address, now) || !verified_.try_take(1, now)) return Verdict::refuse;
  return Verdict::go_on;
}

bool LoadGate::admit_response(base::Time now) noexcept {
  return responses_.try_take(1, now);
}

}  // namespace culvert::wg
