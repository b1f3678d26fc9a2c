// The way of a rule table to a worker that runs: a worker may open no file, so it is handed the
// descriptor over a socketpair that was made before it was forked. What arrives there is taken by
// the order UseRules.
#pragma once

#include <utility>

#include "base/file_descriptor.hpp"

namespace culvert::app {

// The supervisor's end and the worker's; neither blocks. Throws std::system_error.
std::pair<base::FileDescriptor, base::FileDescriptor> make_table_sockets();
// False if it could not be sent, such as to a worker that has not taken many before it.
bool send_table(int socket, int table) noexcept;
// None if nothing has come.
base::FileDescriptor receive_table(int socket) noexcept;

}  // namespace culvert::app
