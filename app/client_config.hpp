// What a peer of the configuration is to the proxy.
#pragma once

#include "app/config.hpp"
#include "proxy/client.hpp"

namespace culvert::app {

// By the peer's effective policy: the global one, then its group's, then its own.
inline proxy::ClientConfig client_config(const PeerEntry& peer) {
  return {.name = peer.name,
          .addresses = peer.allowed_ips,
          .limits = peer.policy.limits,
          .egress = peer.policy.egress,
          .full_cone = peer.policy.full_cone};
}

}  // namespace culvert::app
