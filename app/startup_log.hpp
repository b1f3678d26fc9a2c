// What an operator wants to see once: what listens where, as whom, with what means.
#pragma once

#include <string>

#include "app/config.hpp"
#include "app/control_message.hpp"
#include "app/listeners.hpp"

namespace culvert::app {

struct StartupFacts {
  const Config& config;
  const TunnelSockets& sockets;
  const std::vector<ForwardSocket>& forwards;
  unsigned workers = 1;
  std::size_t peers = 0;
  std::size_t file_limit = 0;
  Ready ready;  // of the first worker
};

void log_startup(const StartupFacts& facts);

}  // namespace culvert::app
