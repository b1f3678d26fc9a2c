// `culvert run`: the supervisor and its workers, until SIGTERM or SIGINT. main() calls it.
#pragma once

#include <functional>
#include <memory>

#include "app/config.hpp"

namespace culvert::app {

// Returns the exit code: 0 after a clean stop, 1 if something could not be started (and why is in
// the log). The configuration has been checked; the log is set up here. `load_again` reads the same
// configuration anew, for a reload; empty: there is none.
int run_server(std::unique_ptr<Config> config, std::function<Loaded()> load_again = {});

}  // namespace culvert::app
