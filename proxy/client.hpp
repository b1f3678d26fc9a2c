// Client: what the proxy knows of one WireGuard peer. The worker makes them from the configuration;
// the proxy finds them by the source address of a packet.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/controls.hpp"
#include "base/counters.hpp"
#include "base/ip.hpp"
#include "base/time.hpp"
#include "base/token_bucket.hpp"
#include "dns/client.hpp"
#include "proxy/egress_policy.hpp"
#include "proxy/limits.hpp"

namespace culvert::proxy {

struct ClientConfig {
  std::string name;
  std::vector<base::Prefix> addresses;           // its allowed IPs
  Limits limits;                                 // the per-client part is used
  std::shared_ptr<const EgressRules> egress;     // of its group; may be null
  bool full_cone = false;                        // UDP replies from anyone
  std::uint32_t slot = 0;                        // names the peer in flow records
  const base::PeerControls* controls = nullptr;  // rates and quota; null = none
  dns::Client* dns = nullptr;                    // of the resolver; null = its DNS is not ours
};

struct Client {
  Client(ClientConfig c, base::PeerCounters& counted, base::Time now)
      : config(std::move(c)),
        counters(counted),
        new_flows(config.limits.new_flows_per_second, config.limits.new_flows_burst, now),
        echoes(config.limits.echo_per_second, config.limits.echo_per_second, now) {}

  ClientConfig config;
  base::PeerCounters& counters;
  base::TokenBucket new_flows;
  base::TokenBucket echoes;
  std::size_t tcp_open = 0, dialling = 0, udp_open = 0;
};

}  // namespace culvert::proxy
