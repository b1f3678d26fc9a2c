// wgrelay: a bad network between WireGuard ends, for tests. One thread: epoll, a timer, two lines.
//   wgrelay --listen ADDRESS:PORT --upstream ADDRESS:PORT --control PATH [--seed N]
// Prints its decision hashes when it is asked to end (SIGTERM, SIGINT).
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <system_error>

#include "relay/control.hpp"

namespace culvert::relay {
namespace {

// Above every session number.
constexpr std::uint64_t timer_mark = 1ULL << 40, signal_mark = 2ULL << 40,
                        control_mark = 3ULL << 40, connection_mark = 4ULL << 40;

struct Options {
  std::string listen, upstream, control;
  std::uint64_t seed = 1;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--listen")
      options.listen = value;
    else if (name == "--upstream")
      options.upstream = value;
    else if (name == "--control")
      options.control = value;
    else if (name == "--seed")
      options.seed = std::stoull(value);
    else
      throw std::invalid_argument("unknown option " + name);
  }
  if (options.listen.empty() || options.upstream.empty() || options.control.empty()) {
    throw std::invalid_argument("--listen, --upstream and --control are needed");
  }
  return options;
}

Descriptor control_socket(const std::string& path) {
  Descriptor made{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::invalid_argument("--control is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  unlink(path.c_str());
  if (bind(made.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(made.get(), 4) != 0) {
    throw std::system_error(errno, std::generic_category(), path);
  }
  return made;
}

class Loop {
 public:
  explicit Loop(const Options& options)
      : epoll_(epoll_create1(EPOLL_CLOEXEC)),
        timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)),
        signals_(stop_signals()),
        relay_(epoll_.get(), Address::parse(options.listen), Address::parse(options.upstream),
               options.seed),
        control_(control_socket(options.control)) {
    watch(timer_.get(), timer_mark);
    watch(signals_.get(), signal_mark);
    watch(control_.get(), control_mark);
  }

  void run() {
    std::array<epoll_event, 64> events{};
    while (!stopping_) {
      arm(relay_.tick());
      const int count =
          epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) on_event(events[static_cast<std::size_t>(i)].data.u64);
    }
    std::printf("decisions up %016llx down %016llx\n",
                static_cast<unsigned long long>(relay_.up.decisions()),
                static_cast<unsigned long long>(relay_.down.decisions()));
  }

 private:
  struct Connection {
    Descriptor descriptor;
    std::string text;
  };

  static Descriptor stop_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    return Descriptor{signalfd(-1, &set, SFD_NONBLOCK)};
  }

  void watch(int descriptor, std::uint64_t mark) {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = mark}};
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event);
  }

  void arm(std::optional<Time> when) {
    itimerspec setting{};
    if (when) {
      const Time at = std::max(*when, Time{1});
      setting.it_value.tv_sec = static_cast<time_t>(at.count() / 1'000'000'000);
      setting.it_value.tv_nsec = static_cast<long>(at.count() % 1'000'000'000);
    }
    timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &setting, nullptr);
  }

  void on_event(std::uint64_t mark) {
    std::uint64_t expirations = 0;
    if (mark == 0) {
      relay_.on_listener();
    } else if (mark < timer_mark) {
      relay_.on_upstream(static_cast<std::uint32_t>(mark - 1));
    } else if (mark == timer_mark) {
      [[maybe_unused]] const ssize_t ignored = read(timer_.get(), &expirations, sizeof expirations);
    } else if (mark == signal_mark) {
      stopping_ = true;
    } else if (mark == control_mark) {
      const int connection = accept4(control_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) return;
      connections_[connection].descriptor = Descriptor{connection};
      watch(connection, connection_mark + static_cast<std::uint64_t>(connection));
    } else {
      on_control(static_cast<int>(mark - connection_mark));
    }
  }

  void on_control(int connection) {
    std::string& text = connections_.at(connection).text;
    std::array<char, 4096> buffer{};
    const ssize_t count = read(connection, buffer.data(), buffer.size());
    if (count <= 0) {
      connections_.erase(connection);
      return;
    }
    text.append(buffer.data(), static_cast<std::size_t>(count));
    for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
      const std::string reply = answer(relay_, text.substr(0, end)) + "\n";
      text.erase(0, end + 1);
      static_cast<void>(!write(connection, reply.data(), reply.size()));
    }
  }

  Descriptor epoll_, timer_, signals_;
  Relay relay_;
  Descriptor control_;
  std::map<int, Connection> connections_;
  bool stopping_ = false;
};

}  // namespace
}  // namespace culvert::relay

int main(int argc, char** argv) try {
  culvert::relay::Loop loop(culvert::relay::parse(argc, argv));
  loop.run();
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "wgrelay: %s\n", error.what());
  return 2;
}
