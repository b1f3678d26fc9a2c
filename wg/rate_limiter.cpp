#include "wg/rate_limiter.hpp"

#include <algorithm>
#include <array>
#include <new>

namespace culvert::wg {

RateLimiter::RateLimiter(base::Random& random, std::size_t max_hosts) noexcept
    : max_hosts_(max_hosts), hosts_(0, HostHash{{random.u64(), random.u64()}}) {}

std::size_t RateLimiter::HostHash::operator()(const Host& host) const noexcept {
  const std::array<std::uint64_t, 2> words{host.bits, host.v6};
  return base::siphash(key, std::as_bytes(std::span(words)));
}

RateLimiter::Host RateLimiter::host_of(const base::IpAddress& address) noexcept {
  Host host{0, address.is_v6()};
  const auto bytes = address.bytes();
  for (std::size_t i = 0; i < std::min<std::size_t>(8, bytes.size()); ++i)
    host.bits = host.bits << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  return host;
}

bool RateLimiter::allow(const base::IpAddress& from, base::Time now) noexcept try {
  if (now >= next_collect_) collect(now);
  const Host host = host_of(from);
  auto found = hosts_.find(host);
  if (found == hosts_.end()) {
    if (hosts_.size() >= max_hosts_) return false;
    found = hosts_.emplace(host, now).first;
  }
  const base::Time full_again = std::max(found->second, now) + cost;
  if (full_again > now + burst) return false;
  found->second = full_again;
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

void RateLimiter::collect(base::Time now) noexcept {
  std::erase_if(hosts_, [now](const auto& entry) { return entry.second <= now; });
  next_collect_ = now + collect_every;
}

}  // namespace culvert::wg
