// What a process gives up after start. A worker reads hostile packets: it keeps its sockets and
// loses the file system, every other system call and every other kind of socket. The supervisor
// only refuses new privileges and core dumps.
#pragma once

#include <string>

namespace culvert::app {

// no_new_privs, not dumpable, no core file. Never fails aloud: what the kernel lacks is left out.
void harden_process() noexcept;

// Landlock with no rights to any path and no TCP port to bind but an ephemeral one (connect stays
// open: what a client may reach is the egress policy's matter), then a seccomp list of allowed
// system calls; any other kills the process. Returns what was reached, for the log: "landlock 7,
// seccomp", "seccomp; no landlock: Function not implemented". Throws std::system_error if no
// seccomp filter can be had: a setting switches the sandbox off, the kernel does not.
std::string enter_sandbox();

// Raises the soft limit of open files to the hard one; returns it.
std::size_t raise_file_limit() noexcept;

}  // namespace culvert::app
