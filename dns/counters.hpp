// What is counted of DNS, per worker and per upstream, in the memory that workers and supervisor
// share: one writer each (base/counters.hpp).
#pragma once

#include <array>

#include "base/counters.hpp"
#include "base/shared_text.hpp"

namespace culvert::dns {

struct UpstreamCounters {
  base::SharedText<127> name;                         // as configured; empty = no such upstream
  base::Counter asked, answered, timeouts, failures;  // failures: refused, reset, TLS, HTTP status
  base::Counter bogus;       // answers that did not fit and were not believed
  base::Counter latency;     // EWMA in microseconds
  base::Counter resting;     // 1 = not asked now because it failed
  base::Counter plain_case;  // 1 = asked without 0x20 for now: it does not keep the case
};
inline constexpr std::size_t max_upstreams = 64;

struct DnsCounters {
  base::Counter queries_udp, queries_tcp;
  base::Counter malformed;  // FORMERR, NOTIMP, BADVERS, silent
  base::Counter local, cached, stale, forwarded, coalesced, prefetched;
  base::Counter blocked, rewritten, blocked_by_answer, failed;  // failed: SERVFAIL of ours
  base::Counter rate_limited, in_flight_limited, dropped_records;
  base::Counter bypass_refused;  // flows to 853 and to known encrypted resolvers
  base::Counter not_handed_out;  // flows refused by only_handed_out
  base::Counter in_flight, cache_entries, cache_bytes, tcp_open;  // now
  base::Counter table_generation, table_rules;                    // in use
  base::Histogram latency;                                        // of forwarded questions
  std::array<UpstreamCounters, max_upstreams> upstreams;
};

}  // namespace culvert::dns
