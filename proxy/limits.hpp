// Limits and timeouts of flows, with the defaults of the config section [limits]. A client is what
// one WireGuard peer is: all its addresses together.
//
// What holds a scan back is tcp_dials and the caps on flows: a scanner waits for its dials. The
// rate of new flows only keeps one client from taking a whole core (a flow costs 20 to 60 us), so it
// lies far above what pages, resolvers and file sharing ask for.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace culvert::proxy {

struct Limits {
  // per client
  std::size_t tcp_flows = 16384;  // and never more than 3/4 of a worker's
  std::size_t tcp_dials = 128;    // in flight
  std::size_t new_flows_per_second = 10000;
  std::size_t new_flows_burst = 40000;
  std::size_t udp_mappings = 1024;
  std::size_t echo_per_second = 50;  // and ICMP errors
  // per worker (the supervisor divides the global ones by the number of workers)
  std::size_t tcp_flows_total = 0;  // 0 = from RLIMIT_NOFILE, less `reserved_descriptors`
  std::size_t tcp_dials_total = 2048;
  std::size_t new_flows_per_second_total = 100000;
  std::size_t udp_mappings_total = 32768;
  std::size_t reserved_descriptors = 64;

  std::chrono::seconds tcp_idle{7440};  // 2 h 4 min (RFC 5382 REQ-5)
  std::chrono::seconds tcp_half_closed{300};
  std::chrono::seconds tcp_dial{60};                  // the kernel's own limit may come first
  std::chrono::seconds tcp_no_progress{900};          // a client that acknowledges nothing
  std::chrono::seconds tcp_no_progress_crowded{120};  // the same above 80 % of a flow cap
  std::chrono::seconds udp_idle{120};
  std::chrono::seconds udp_idle_dns{30};  // towards port 53
  std::chrono::seconds echo_idle{30};
};

}  // namespace culvert::proxy
