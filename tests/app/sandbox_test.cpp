// What a worker may still do in its sandbox, and what ends it. Each case is a process of its own.
#include "app/sandbox.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "tests/support/catch.hpp"

using namespace culvert;

namespace {

// Runs `work` in the sandbox of a child; the wait status. `work` returns the exit code.
int in_sandbox(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      app::enter_sandbox();
    } catch (...) {
      ::_exit(99);
    }
    ::_exit(work());
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return status;
}

bool killed(const std::function<int()>& work) {
  const int status = in_sandbox(work);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

int exit_code(const std::function<int()>& work) {
  const int status = in_sandbox(work);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool bind_to(int fd, std::uint16_t port) {
  const sockaddr_in address = loopback(port);
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

sockaddr_in name_of(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return address;
}

}  // namespace

TEST_CASE("in the sandbox opening a file, running a program or making a process is the end") {
  CHECK(killed([] { return ::open("/etc/hostname", O_RDONLY); }));
  CHECK(killed([] { return ::open("/tmp/x", O_CREAT | O_WRONLY, 0600); }));
  CHECK(killed([] { return ::execl("/bin/true", "true", nullptr); }));
  CHECK(killed([] { return int(::fork()); }));
  CHECK(killed([] { return ::unlink("/tmp/does-not-exist"); }));
  CHECK(killed([] { return ::kill(::getppid(), 0); }));
}

TEST_CASE("in the sandbox only sockets of the Internet families may be made") {
  CHECK(killed([] { return ::socket(AF_UNIX, SOCK_STREAM, 0); }));
  CHECK(killed([] { return ::socket(AF_NETLINK, SOCK_RAW, 0); }));
  CHECK(killed([] { return ::socket(AF_PACKET, SOCK_RAW, 0); }));
  CHECK(killed([] { return ::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP); }));
  CHECK(killed([] { return ::socket(AF_INET, SOCK_STREAM, 262 /* MPTCP */); }));
  CHECK(killed([] { return ::listen(0, 1); }));
}

TEST_CASE("in the sandbox no memory becomes executable and no limit is raised") {
  CHECK(killed([] {
    ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return 0;
  }));
  CHECK(killed([] {
    const rlimit limit{10, 10};
    return ::setrlimit(RLIMIT_NOFILE, &limit);
  }));
  CHECK(exit_code([] {
          rlimit limit{};
          return ::getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0 ? 0 : 1;
        }) == 0);
}

TEST_CASE("in the sandbox UDP sockets bind, connect, send and receive") {
  CHECK(exit_code([] {
          const int a = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
          const int b = ::socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
          if (!bind_to(a, 0) || !bind_to(b, 0)) return 1;
          const sockaddr_in to = name_of(a);
          if (::connect(b, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return 2;
          if (::send(b, "x", 1, 0) != 1) return 3;
          char c = 0;
          return ::recv(a, &c, 1, 0) == 1 && c == 'x' ? 0 : 4;
        }) == 0);
}

TEST_CASE("in the sandbox TCP connects, also from a chosen address, and waits by epoll") {
  const int server = ::socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(bind_to(server, 0));
  REQUIRE(::listen(server, 4) == 0);
  const sockaddr_in to = name_of(server);
  CHECK(exit_code([&] {
          const int s = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
          if (!bind_to(s, 0)) return 1;  // egress.source_address: an ephemeral port
          if (::connect(s, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 &&
              errno != EINPROGRESS)
            return 2;
          const int poll = ::epoll_create1(EPOLL_CLOEXEC);
          epoll_event event{.events = EPOLLOUT, .data = {}};
          if (::epoll_ctl(poll, EPOLL_CTL_ADD, s, &event) != 0) return 3;
          if (::epoll_wait(poll, &event, 1, 5000) != 1) return 4;
          if (::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK) < 0) return 5;
          return ::accept4(server, nullptr, nullptr, SOCK_NONBLOCK) >= 0 ? 0 : 6;
        }) == 0);
  ::close(server);
}

TEST_CASE("in the sandbox memory can be had and given back") {
  CHECK(exit_code([] {
          for (std::size_t size = 1; size < (64u << 20); size *= 2) {
            auto* p = static_cast<volatile char*>(std::malloc(size));
            if (!p) return 1;
            p[size - 1] = 1;
            std::free(const_cast<char*>(p));
          }
          return 0;
        }) == 0);
}

TEST_CASE("in the sandbox a file that is open already is measured and mapped, by no name") {
  const int file = ::memfd_create("table", MFD_CLOEXEC);
  REQUIRE(::ftruncate(file, 4096) == 0);
  CHECK(exit_code([file] {
          struct stat status {};
          if (::fstat(file, &status) != 0 || status.st_size != 4096) return 1;
          return ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file, 0) == MAP_FAILED ? 2 : 0;
        }) == 0);
  ::close(file);
  CHECK(killed([] {
    struct stat status {};
    return ::stat("/etc/passwd", &status);
  }));
}

TEST_CASE("a hardened process leaves no core and gains no privilege") {
  const pid_t child = ::fork();
  if (child == 0) {
    app::harden_process();
    ::_exit(::prctl(PR_GET_DUMPABLE) == 0 && ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
