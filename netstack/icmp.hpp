// IcmpReporter: tells a client why its packet went nowhere, at most 50 times a second per client.
// And the reading of what an ICMP error quotes.
#pragma once

#include <unordered_map>

#include "base/counters.hpp"
#include "base/headers.hpp"
#include "base/token_bucket.hpp"
#include "netstack/sender.hpp"
#include "netstack/stack.hpp"

namespace culvert::netstack {

inline constexpr std::uint64_t icmp_errors_per_second = 50;

// A packet as an ICMP error quotes it: cut off anywhere, so its length fields mean nothing here.
struct Quoted {
  base::IpAddress source, destination;
  std::uint8_t protocol = 0;
  bool later_fragment = false;
  base::Bytes upper;                   // whatever is there of the upper layer
  std::size_t next_header_offset = 0;  // IPv6: where the number of the upper layer stands
  static std::optional<Quoted> parse(base::Bytes packet) noexcept;
};

class IcmpReporter {
 public:
  IcmpReporter(const Stack::Config& config, Sender& sender, base::WorkerCounters& counters) noexcept
      : own4_(config.address4), own6_(config.address6), sender_(sender), counters_(counters) {}

  // `quoted` is the client's packet (or its start). `from` none = our tunnel address.
  void report(IcmpError error, base::Bytes quoted, const base::IpAddress& from, std::uint32_t mtu,
              base::Time now) noexcept;

 private:
  bool take_token(const base::IpAddress& client, base::Time now) noexcept;

  base::IpAddress own4_, own6_;
  Sender& sender_;
  base::WorkerCounters& counters_;
  std::unordered_map<base::IpAddress, base::TokenBucket, base::IpAddressHash> buckets_;
};

}  // namespace culvert::netstack
