// run_command: a program of the operator's, without a shell, for a bounded time.
//
// It gets its arguments, a small environment (PATH, HOME, LANG and what is given), /dev/null as
// input, the server's standard error, no other descriptor, and a process group of its own, which is
// killed at the timeout. Its output is what a pipe holds, 64 KiB: a program that writes more waits
// in vain. The child is waited for by its pidfd: SIGCHLD and the supervisor's workers stay apart.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace culvert::control {

struct CommandRequest {
  std::vector<std::string> arguments;  // the first is the program, looked for in PATH
  std::vector<std::pair<std::string, std::string>> environment;
  std::chrono::milliseconds timeout{5000};
};

struct CommandResult {
  int exit_code = -1;  // -1 = see `error`
  std::string output;
  std::string error;  // in words: "timed out", "killed by signal 9"
};

boost::asio::awaitable<CommandResult> run_command(CommandRequest request);

}  // namespace culvert::control
