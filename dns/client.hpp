// Client: what dns knows of one WireGuard peer. The resolver owns them; the proxy hands them in
// with each question.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/controls.hpp"
#include "base/counters.hpp"
#include "base/ip.hpp"
#include "base/token_bucket.hpp"
#include "dns/settings.hpp"

namespace culvert::dns {

class CompiledPolicy;  // policy.hpp

struct ClientConfig {
  std::uint32_t slot = 0;
  std::string name, group;
  std::vector<base::Prefix> addresses;
  std::shared_ptr<const Policy> policy;          // never null
  const base::PeerControls* controls = nullptr;  // schedules and pauses; null = none
};

struct Client {
  Client(ClientConfig c, base::PeerCounters& counted, const LimitSettings& limits, base::Time now)
      : config(std::move(c)),
        counters(counted),
        forwarded(limits.forwarded_per_second ? limits.forwarded_per_second : 1,
                  limits.forwarded_burst ? limits.forwarded_burst : 1, now) {}

  ClientConfig config;
  base::PeerCounters& counters;
  base::TokenBucket forwarded;
  std::size_t in_flight = 0;
  // The policy against the present table and settings; shared by all clients with the same policy.
  std::shared_ptr<const CompiledPolicy> policy;
};

}  // namespace culvert::dns
