// How many verified handshakes one host may start: 20 a second, 5 at once, a host being an IPv4
// address or an IPv6 /64. The table is bounded: when it is full of hosts that are still being
// limited, a new host is refused.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "base/ip.hpp"
#include "base/random.hpp"
#include "base/siphash.hpp"
#include "base/time.hpp"

namespace culvert::wg {

class RateLimiter {
 public:
  static constexpr std::size_t default_max_hosts = 65'536;
  static constexpr base::Duration cost = std::chrono::milliseconds(50);  // one handshake
  static constexpr base::Duration burst = 5 * cost;
  static constexpr base::Duration collect_every = std::chrono::seconds(1);

  explicit RateLimiter(base::Random& random, std::size_t max_hosts = default_max_hosts) noexcept;

  bool allow(const base::IpAddress& from, base::Time now) noexcept;
  void collect(base::Time now) noexcept;  // forgets every host that has its whole burst again
  std::size_t size() const noexcept { return hosts_.size(); }

 private:
  struct Host {
    std::uint64_t bits = 0;
    bool v6 = false;
    friend bool operator==(const Host&, const Host&) = default;
  };
  struct HostHash {
    base::SipKey key;
    std::size_t operator()(const Host& host) const noexcept;
  };
  static Host host_of(const base::IpAddress& address) noexcept;

  std::size_t max_hosts_;
  base::Time next_collect_{};
  // The value is when the host's bucket will be full again.
  std::unordered_map<Host, base::Time, HostHash> hosts_;
};

}  // namespace culvert::wg
