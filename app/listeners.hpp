// Everything culvert listens on, opened by the supervisor before the first worker starts and kept
// open while workers come and go, so that nothing is refused meanwhile.
#pragma once

#include <vector>

#include "app/config.hpp"
#include "app/peer_routes.hpp"
#include "base/file_descriptor.hpp"

namespace culvert::app {

// WireGuard's sockets: for each address one SO_REUSEPORT group with a socket for each worker.
struct TunnelSockets {
  struct Group {
    base::Endpoint local;                       // as it was bound
    std::vector<base::FileDescriptor> sockets;  // by worker
    bool steered = false;                       // or there is one worker only
  };
  std::vector<Group> groups;  // at most one of each family
  std::vector<std::string> warnings;

  int of(unsigned worker, base::IpAddress::Family family) const noexcept;  // -1 = none
};

// Throws std::runtime_error in words for the operator. Where the list is both wildcards and the
// host has no IPv6 (or no IPv4), that one is left out with a warning.
TunnelSockets open_tunnel_sockets(const Config& config, unsigned workers);
// The same for another list of addresses.
TunnelSockets open_tunnel_sockets(const Config& config, const std::vector<base::Endpoint>& listen,
                                  unsigned workers);

struct ForwardSocket {
  ForwardEntry entry;
  base::FileDescriptor socket;
  unsigned worker = 0;  // which owns the peer behind entry.to
};

// One bound (and, for TCP, listening) socket a [[forward]]; throws as above, also for a target that
// is in no peer's allowed IPs.
std::vector<ForwardSocket> open_forwards(const Config& config, const PeerRoutes& routes);

}  // namespace culvert::app
