// The handshake limiter against a bucket a host that is filled by the nanosecond. Where the table
// has room both say the same; where it is full the limiter may only refuse more.
#include <cstdlib>
#include <map>

#include "tests/support/lossy_wire.hpp"
#include "wg/rate_limiter.hpp"

using namespace culvert;
using wg::RateLimiter;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

struct Bucket {
  base::Duration level = RateLimiter::burst;
  base::Time filled{};

  bool may(base::Time now) {
    level = std::min<base::Duration>(RateLimiter::burst, level + (now - filled));
    filled = now;
    return level >= RateLimiter::cost;
  }
};

// IPv4 hosts, and IPv6 ones of which those with the same upper bits share a /64.
base::IpAddress address_of(unsigned number) {
  std::array<std::byte, 16> bytes{std::byte{0x20}};
  const bool v6 = number & 1;
  bytes[v6 ? 7 : 3] = std::byte(number >> 2 & 0x1f);
  if (v6) bytes[15] = std::byte(number >> 1 & 1);
  const std::span all(bytes);
  return v6 ? base::IpAddress::v6(all) : base::IpAddress::v4(all.first<4>());
}
unsigned host_of(unsigned number) {
  return number & 1 ? number & 0x7d : number & 0x7c;
}

}  // namespace

// A step is a host and how long after the last one it asks.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  test::SeededRandom random;
  const std::size_t most = data[0] & 1 ? 5 : 1000;
  RateLimiter limiter(random, most);
  std::map<unsigned, Bucket> buckets;
  base::Time now{std::chrono::hours(1)};
  for (std::size_t at = 1; at + 3 <= size; at += 3) {
    const unsigned wait = data[at + 1] * 256u + data[at + 2];
    now += wait & 0x8000 ? base::Duration(std::chrono::milliseconds(wait & 0x7fff))
                         : base::Duration(std::chrono::nanoseconds(wait * 100'000));
    Bucket& bucket = buckets[host_of(data[at])];
    const bool may = bucket.may(now);
    const bool allowed = limiter.allow(address_of(data[at]), now);
    if (allowed) bucket.level -= RateLimiter::cost;
    require(allowed == may || (may && limiter.size() == most));
    require(limiter.size() <= most);
  }
  limiter.collect(now + RateLimiter::burst);
  require(limiter.size() == 0);
  return 0;
}
