// The command line of culvert; main() is all that calls it. Exit codes: 0 done, 1 failed, 2 usage
// or configuration.
#pragma once

#include <functional>
#include <memory>

#include "app/config.hpp"

namespace culvert::app {

// What `run` does with a configuration that was checked: run_server() of app/run.hpp.
using RunServer = std::function<int(std::unique_ptr<Config>, std::function<Loaded()> load_again)>;

int run_command_line(int argc, const char* const* argv, const RunServer& run);

}  // namespace culvert::app
