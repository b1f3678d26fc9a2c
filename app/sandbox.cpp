#include "app/sandbox.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <system_error>

#include "base/file_descriptor.hpp"

namespace culvert::app {
namespace {

// The kernel's landlock_ruleset_attr up to ABI 6; headers of a distribution may be older.
struct LandlockRuleset {
  std::uint64_t fs = 0, net = 0, scoped = 0;
};
struct LandlockPort {
  std::uint64_t allowed = 0, port = 0;
};
constexpr std::uint64_t landlock_net_bind_tcp = 1;
constexpr std::uint64_t landlock_scope_all = 3;  // abstract Unix sockets, signals
constexpr int landlock_rule_net_port = 2;

// All rights to files that an ABI knows: 13 at first, then REFER (2), TRUNCATE (3), IOCTL_DEV (5).
std::uint64_t landlock_file_rights(int abi) noexcept {
  const int rights = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;
  return (std::uint64_t{1} << rights) - 1;
}

// An ABI takes a ruleset of its own size or a longer one whose rest is zero.
LandlockRuleset landlock_ruleset(int abi) noexcept {
  LandlockRuleset ruleset;
  ruleset.fs = landlock_file_rights(abi);
  if (abi >= 4) ruleset.net = landlock_net_bind_tcp;
  if (abi >= 6) ruleset.scoped = landlock_scope_all;
  return ruleset;
}

std::string restrict_by_landlock() {
  const auto refused = [] { return std::string("no landlock: ") + std::strerror(errno); };
  const auto abi =
      int(::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION));
  if (abi < 1) return refused();
  const LandlockRuleset wanted = landlock_ruleset(abi);
  const base::FileDescriptor ruleset(
      int(::syscall(SYS_landlock_create_ruleset, &wanted, sizeof wanted, 0)));
  if (!ruleset) return refused();
  if (abi >= 4) {
    // Port 0 stands for "any free one", which a socket with a chosen source address binds.
    const LandlockPort ephemeral{landlock_net_bind_tcp, 0};
    if (::syscall(SYS_landlock_add_rule, ruleset.get(), landlock_rule_net_port, &ephemeral, 0) != 0)
      return refused();
  }
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) return refused();
  return "landlock " + std::to_string(abi);
}

constexpr int allowed_calls[] = {
    // bytes of descriptors that are open already
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(recvfrom),
    SCMP_SYS(sendto), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(recvmmsg), SCMP_SYS(sendmmsg),
    SCMP_SYS(close), SCMP_SYS(fcntl), SCMP_SYS(fstat),
    // sockets; socket() itself is allowed by its arguments
    SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(shutdown),
    SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
    // waiting
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
    SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_gettime), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(restart_syscall),
    // time and randomness
    SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(clock_nanosleep), SCMP_SYS(getrandom),
    // memory; mmap and mprotect are allowed without PROT_EXEC
    SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(mlock),
    SCMP_SYS(munlock),
    // what the C library does on its own account, to its end
    SCMP_SYS(futex), SCMP_SYS(rseq), SCMP_SYS(set_robust_list), SCMP_SYS(sched_yield),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(tgkill), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(exit), SCMP_SYS(exit_group)};

class SyscallFilter {
 public:
  SyscallFilter() : context_(::seccomp_init(SCMP_ACT_KILL_PROCESS), ::seccomp_release) {
    if (!context_) throw std::system_error(ENOMEM, std::generic_category(), "seccomp filter");
  }

  template <class... Arguments>
  void allow(int call, Arguments... arguments) {
    check(::seccomp_rule_add(context_.get(), SCMP_ACT_ALLOW, call, sizeof...(arguments),
                             arguments...));
  }
  void load() { check(::seccomp_load(context_.get())); }

 private:
  static void check(int error) {
    if (error < 0) throw std::system_error(-error, std::generic_category(), "seccomp filter");
  }
  std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
};

// Without SOCK_NONBLOCK and SOCK_CLOEXEC.
constexpr std::uint64_t socket_type_mask = 0xf;

void allow_sockets(SyscallFilter& filter) {
  const auto allow = [&](int family, int type, int protocol) {
    filter.allow(
        SCMP_SYS(socket), SCMP_A0_32(SCMP_CMP_EQ, std::uint32_t(family)),
        SCMP_A1_32(SCMP_CMP_MASKED_EQ, std::uint32_t(socket_type_mask), std::uint32_t(type)),
        SCMP_A2_32(SCMP_CMP_EQ, std::uint32_t(protocol)));
  };
  for (const int family : {AF_INET, AF_INET6}) {
    for (const int protocol : {0, int(IPPROTO_TCP)}) allow(family, SOCK_STREAM, protocol);
    for (const int protocol : {0, int(IPPROTO_UDP)}) allow(family, SOCK_DGRAM, protocol);
  }
  allow(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
  allow(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6);
}

void restrict_by_seccomp() {
  SyscallFilter filter;
  for (const int call : allowed_calls) filter.allow(call);
  allow_sockets(filter);
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)})
    filter.allow(call, SCMP_A2_64(SCMP_CMP_MASKED_EQ, std::uint64_t(PROT_EXEC), 0u));
  for (const unsigned long request : {FIONREAD, FIONBIO, TIOCOUTQ})
    filter.allow(SCMP_SYS(ioctl), SCMP_A1_32(SCMP_CMP_EQ, std::uint32_t(request)));
  // fstat(2) as the C library calls it: the size of a rule table that was handed in.
  filter.allow(SCMP_SYS(newfstatat), SCMP_A3_32(SCMP_CMP_EQ, std::uint32_t(AT_EMPTY_PATH)));
  // Reading a limit, never setting one.
  filter.allow(SCMP_SYS(prlimit64), SCMP_A2_64(SCMP_CMP_EQ, 0u));
  filter.load();
}

}  // namespace

void harden_process() noexcept {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
}

std::string enter_sandbox() {
  harden_process();
  const std::string landlock = restrict_by_landlock();
  restrict_by_seccomp();
  if (landlock.starts_with("no ")) return "seccomp; " + landlock;
  return landlock + ", seccomp";
}

std::size_t raise_file_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return std::size_t(limit.rlim_cur);
}

}  // namespace culvert::app
