// ChildProcess: a child of the supervisor that is no worker and runs our own code: it is forked,
// and forgets what it need not know before it does anything. The two talk over a socket.
#pragma once

#include <sys/types.h>

#include <functional>
#include <vector>

#include "base/file_descriptor.hpp"
#include "base/result.hpp"

namespace culvert::control {

class ChildProcess {
 public:
  struct Options {
    const char* name = "";           // as ps shows it; at most 15 characters
    std::vector<int> keep{};         // descriptors that it shall have besides 0 to 2
    std::function<void()> in_child;  // runs first: wipes what the supervisor knows and it need not
  };
  // Runs in the child; it ends with it, or with what it throws. The socket is stream, not blocking.
  using Main = std::function<void(int socket)>;

  static base::Result<ChildProcess> start(const Options& options, const Main& main);

  ChildProcess() = default;
  ~ChildProcess() { end(); }
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;

  pid_t pid() const noexcept { return pid_; }  // 0 = none
  int take_socket() noexcept { return socket_.release(); }
  // Kills it. One that hangs in the kernel, where a signal does not reach it, is left to itself.
  void end() noexcept;

 private:
  pid_t pid_ = 0;
  base::FileDescriptor socket_;
};

// In the child, where the work needs no network: from now on it can open no socket and start no
// program, and what it uses of the machine is bounded.
void confine_to_files() noexcept;

}  // namespace culvert::control
