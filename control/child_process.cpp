#include "control/child_process.hpp"

#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <memory>
#include <utility>

#include "base/log.hpp"

namespace culvert::control {
namespace {

void close_all_but(std::vector<int> keep) {
  std::ranges::sort(keep);
  unsigned next = 3;
  for (const int fd : keep) {
    if (fd < int(next)) continue;
    if (unsigned(fd) > next) ::close_range(next, unsigned(fd) - 1, 0);
    next = unsigned(fd) + 1;
  }
  ::close_range(next, ~0u, 0);
}

void leave_supervisor(pid_t supervisor, const ChildProcess::Options& options, int socket) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (::getppid() != supervisor) ::_exit(1);
  ::prctl(PR_SET_NAME, options.name, 0, 0, 0);
  // The terminal and the service manager signal all processes of the group; the supervisor decides.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2})
    ::signal(signal, SIG_IGN);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  std::vector<int> keep = options.keep;
  keep.push_back(socket);
  close_all_but(std::move(keep));
}

[[noreturn]] void become_child(pid_t supervisor, const ChildProcess::Options& options, int socket,
                               const ChildProcess::Main& main) noexcept {
  try {
    leave_supervisor(supervisor, options, socket);
    if (options.in_child) options.in_child();
    main(socket);
    ::_exit(0);
  } catch (const std::exception& error) {
    base::log::error("{}: {}", options.name, error.what());
  }
  ::_exit(1);
}

void limit(int resource, rlim_t most) {
  rlimit now{};
  if (::getrlimit(__rlimit_resource_t(resource), &now) != 0) return;
  now.rlim_cur = std::min(now.rlim_cur, most);
  now.rlim_max = now.rlim_cur;
  ::setrlimit(__rlimit_resource_t(resource), &now);
}

}  // namespace

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)), socket_(std::move(other.socket_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this == &other) return *this;
  end();
  pid_ = std::exchange(other.pid_, 0);
  socket_ = std::move(other.socket_);
  return *this;
}

base::Result<ChildProcess> ChildProcess::start(const Options& options, const Main& main) {
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) != 0)
    return base::Error{std::string("socketpair: ") + std::strerror(errno)};
  base::FileDescriptor ours(sockets[0]), theirs(sockets[1]);
  const pid_t self = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) become_child(self, options, sockets[1], main);
  if (child < 0) return base::Error{std::string("fork: ") + std::strerror(errno)};
  ChildProcess made;
  made.pid_ = child;
  made.socket_ = std::move(ours);
  return made;
}

void ChildProcess::end() noexcept {
  socket_.reset();
  const pid_t pid = std::exchange(pid_, 0);
  if (pid <= 0) return;
  ::kill(pid, SIGKILL);
  // It dies within a millisecond, unless a disk or a file server keeps it in the kernel.
  for (int i = 0; i < 200; ++i) {
    const pid_t gone = ::waitpid(pid, nullptr, WNOHANG);
    if (gone == pid || (gone < 0 && errno != EINTR)) return;
    const timespec pause{0, i < 20 ? 100'000 : 1'000'000};
    ::nanosleep(&pause, nullptr);
  }
  base::log::warn("process {} does not end: what it waits for does not answer", pid);
}

void confine_to_files() noexcept {
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_CPU, 300);
  limit(RLIMIT_FSIZE, rlim_t(4) << 30);
#if !defined(__SANITIZE_ADDRESS__)  // which reserves terabytes that it never touches
  limit(RLIMIT_AS, rlim_t(8) << 30);
#endif
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const std::unique_ptr<void, decltype(&::seccomp_release)> filter(::seccomp_init(SCMP_ACT_ALLOW),
                                                                   &::seccomp_release);
  if (!filter) return;
  for (const int call : {SCMP_SYS(socket),
                         SCMP_SYS(socketpair),
                         SCMP_SYS(connect),
                         SCMP_SYS(bind),
                         SCMP_SYS(listen),
                         SCMP_SYS(accept),
                         SCMP_SYS(accept4),
                         SCMP_SYS(sendto),
                         SCMP_SYS(sendmsg),
                         SCMP_SYS(execve),
                         SCMP_SYS(execveat),
                         SCMP_SYS(fork),
                         SCMP_SYS(vfork),
                         SCMP_SYS(clone),
                         SCMP_SYS(clone3),
                         SCMP_SYS(ptrace),
                         SCMP_SYS(process_vm_readv),
                         SCMP_SYS(process_vm_writev),
                         SCMP_SYS(kill),
                         SCMP_SYS(tkill),
                         SCMP_SYS(tgkill)})
    ::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), call, 0);
  ::seccomp_load(filter.get());
}

}  // namespace culvert::control
