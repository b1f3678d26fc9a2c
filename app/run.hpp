// `culvert run`: the supervisor and its workers, until SIGTERM or SIGINT. main() calls it.
#pragma once

#include <memory>

#include "app/config.hpp"

namespace culvert::app {

// Returns the exit code: 0 after a clean stop, 1 if something could not be started (and why is in
// the log). The configuration has been checked; the log is set up here.
int run_server(std::unique_ptr<Config> config);

}  // namespace culvert::app
