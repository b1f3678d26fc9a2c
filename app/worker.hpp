// A worker: one process with one thread that owns the tunnel of its peers, from the UDP socket to
// the sockets of their flows. The supervisor forks it; it never returns to the supervisor's code.
#pragma once

#include "app/runtime.hpp"
#include "base/file_descriptor.hpp"

namespace culvert::app {

struct WorkerStart {
  unsigned index = 0;
  Runtime& runtime;  // the memory it was forked with, its own copy: keys are moved out of it
  base::FileDescriptor control;
  base::FileDescriptor tables;  // where rule tables arrive
};

// Until it is told to stop or the supervisor is gone; returns the exit code of the process. If it
// cannot start it says why on the control channel.
int run_worker(WorkerStart start) noexcept;

}  // namespace culvert::app
