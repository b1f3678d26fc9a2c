#include "proxy/group_share.hpp"

namespace culvert::proxy {
namespace {

using std::chrono::milliseconds;

// What a worker takes at once.
constexpr base::Duration chunk_time = milliseconds(2);
// How far datagrams may run ahead of the rate.
constexpr base::Duration datagram_debt = milliseconds(60);
// Whoever gets nothing for so long, because the members on other workers are always quicker or
// send datagrams, takes as much by debt.
constexpr base::Duration patience = milliseconds(50);

}  // namespace

bool GroupShare::pay(std::int64_t bytes, std::uint64_t rate, base::Duration debt,
                     base::Time now) noexcept {
  const std::int64_t cost = RateBucket::time_for(bytes, rate).count();
  const std::int64_t here = now.time_since_epoch().count();
  const std::int64_t saved = std::max<std::int64_t>(stream_burst.count(), cost);
  std::int64_t seen = paid_until_.load(std::memory_order_relaxed);
  while (true) {
    const std::int64_t from = std::max(seen, here - saved);
    if (from + cost > here + debt.count()) {
      ready_at_ = base::Time(base::Duration(from + cost - debt.count()));
      return false;
    }
    if (paid_until_.compare_exchange_weak(seen, from + cost, std::memory_order_relaxed)) break;
  }
  reserve_ += bytes;
  return true;
}

bool GroupShare::has(std::int64_t bytes, std::uint64_t rate, base::Time now) noexcept {
  if (reserve_ >= bytes) return true;
  const std::int64_t missing = bytes - reserve_;
  const std::int64_t chunk = RateBucket::bytes_in(chunk_time, rate, missing);
  const base::Duration usual = 2 * RateBucket::time_for(chunk, rate);
  if (refused_since_ == base::never || now - ready_at_ > patience) refused_since_ = now;
  if (now - refused_since_ >= std::max(patience, usual)) {
    const std::int64_t owed = RateBucket::bytes_in(patience, rate, missing);
    if (pay(owed, rate, datagram_debt + RateBucket::time_for(owed, rate), now)) {
      refused_since_ = base::never;
      return true;
    }
    return false;
  }
  if (!pay(chunk, rate, {}, now)) return false;
  refused_since_ = base::never;
  return true;
}

bool GroupShare::has_for_datagram(std::int64_t bytes, std::uint64_t rate, bool streams_wait,
                                  base::Time now) noexcept {
  if (!may_pass(datagrams_, bytes, datagram_rate(rate, streams_wait), now)) return false;
  if (reserve_ >= bytes) return true;
  const base::Time streams_ready = ready_at_;
  const std::int64_t missing = bytes - reserve_;
  const std::int64_t chunk = RateBucket::bytes_in(chunk_time, rate, missing);
  // What costs more than the debt allowed waits until nothing is owed.
  const bool paid =
      pay(chunk, rate, std::max(datagram_debt, RateBucket::time_for(chunk, rate)), now);
  ready_at_ = streams_ready;
  return paid;
}

}  // namespace culvert::proxy
