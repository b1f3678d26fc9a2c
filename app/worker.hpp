// A worker: one process with one thread that owns the tunnel of its peers, from the UDP socket to
// the sockets of their flows. The supervisor forks it; it never returns to the supervisor's code.
#pragma once

#include <optional>
#include <span>

#include "app/config.hpp"
#include "app/descriptor.hpp"
#include "app/inbox.hpp"
#include "app/listeners.hpp"
#include "app/peer_routes.hpp"
#include "app/shared_state.hpp"
#include "wg/outbox.hpp"

namespace culvert::app {

// What the supervisor remembers of a peer for the next worker.
struct PeerMemory {
  std::optional<wg::Path> path;  // where it was last seen
  bool up = false;               // it had a session
};

// All of it lives in the memory the supervisor forked with.
struct WorkerStart {
  unsigned index = 0, workers = 1;
  Config& config;  // its own copy: keys are moved out of it
  const TunnelSockets& sockets;
  const std::vector<ForwardSocket>& forwards;
  const Inboxes& inboxes;
  const PeerRoutes& routes;
  SharedState& shared;
  std::span<const PeerMemory> peers;  // in the order of config.peers
  Descriptor control;
};

// Until it is told to stop or the supervisor is gone; returns the exit code of the process. If it
// cannot start it says why on the control channel.
int run_worker(WorkerStart start) noexcept;

}  // namespace culvert::app
