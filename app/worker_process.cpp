#include "app/worker_process.hpp"

#include <fmt/core.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "app/table_socket.hpp"
#include "base/log.hpp"

namespace culvert::app {
namespace {

std::vector<int> descriptors_of(const WorkerStart& start) {
  const Runtime& runtime = start.runtime;
  std::vector<int> kept{0,
                        1,
                        2,
                        start.control.get(),
                        start.tables.get(),
                        runtime.inboxes.read_ends[start.index].get()};
  if (runtime.rule_table) kept.push_back(runtime.rule_table.get());
  for (const auto& group : runtime.sockets.groups) kept.push_back(group.sockets[start.index].get());
  for (const base::FileDescriptor& inbox : runtime.inboxes.write_ends) kept.push_back(inbox.get());
  for (const ForwardSocket& forward : runtime.forwards)
    if (forward.worker == start.index) kept.push_back(forward.socket.get());
  return kept;
}

// Everything else is the supervisor's: its epoll, its signals, the other workers' sockets.
void close_all_but(std::vector<int> kept) {
  std::ranges::sort(kept);
  unsigned next = 0;
  for (const int fd : kept) {
    if (unsigned(fd) > next) ::close_range(next, unsigned(fd) - 1, 0);
    next = unsigned(fd) + 1;
  }
  ::close_range(next, ~0u, 0);
}

// The terminal and the service manager signal all processes of the group; the supervisor decides.
void ignore_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2})
    ::signal(signal, SIG_IGN);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void become_worker(WorkerStart start, pid_t supervisor) noexcept {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (::getppid() != supervisor) ::_exit(1);
  ignore_signals();
  const sched_param none{};
  ::sched_setscheduler(0, SCHED_OTHER, &none);  // the supervisor yields to us
  int code = 1;
  try {
    close_all_but(descriptors_of(start));
    if (start.runtime.in_worker) start.runtime.in_worker();
    const std::string name = fmt::format("culvert-{}", start.index);
    ::prctl(PR_SET_NAME, name.c_str(), 0, 0, 0);
    base::log::set_up(start.runtime.config->log_level, start.runtime.config->log_format,
                      fmt::format("worker {}", start.index));
    code = run_worker(std::move(start));
  } catch (const std::exception& error) {
    base::log::error("{}", error.what());
  }
  ::_exit(code);
}

std::string in_words(int status) {
  if (WIFSIGNALED(status))
    return fmt::format("killed by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  return fmt::format("exit code {}", WEXITSTATUS(status));
}

}  // namespace

void WorkerProcess::start(WorkerStart start) {
  auto [ours, theirs] = ControlChannel::make_pair();
  start.control = std::move(theirs);
  auto [sending, receiving] = make_table_sockets();
  start.tables = std::move(receiving);
  index_ = start.index;
  const pid_t supervisor = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid == 0) become_worker(std::move(start), supervisor);
  pid_ = pid;
  tables_ = std::move(sending);
  channel_ = ControlChannel::start(
      io_, std::move(ours), ControlChannel::to_worker,
      [this](std::string& line) {
        const auto message = parse_line(line);
        if (message) events_.on_worker_message(index_, *message);
        return message.has_value();
      },
      [this] { on_channel_closed(); });
}

bool WorkerProcess::send_table(int table) noexcept {
  return app::send_table(tables_.get(), table);
}

bool WorkerProcess::send(const Order& order) {
  if (!channel_) return false;
  std::string line = to_line(order);
  const bool taken = channel_->send(line);
  base::wipe(std::as_writable_bytes(std::span(line)));
  return taken;
}

// It is about to end, most likely; if not, a worker that cannot be talked to is of no use.
void WorkerProcess::on_channel_closed() {
  channel_.reset();
  if (pid_ <= 0) return end_if_gone();
  grace_.expires_after(std::chrono::seconds(1));
  grace_.async_wait([this](boost::system::error_code error) {
    if (!error) kill();
  });
}

void WorkerProcess::stop() {
  send(Order{});
}

void WorkerProcess::kill() noexcept {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

void WorkerProcess::reap() {
  int status = 0;
  if (pid_ <= 0 || ::waitpid(pid_, &status, WNOHANG) != pid_) return;
  pid_ = -1;
  grace_.cancel();
  how_ = in_words(status);
  end_if_gone();
}

void WorkerProcess::end_if_gone() {
  if (running()) return;
  events_.on_worker_end(index_, std::exchange(how_, {}));
}

}  // namespace culvert::app
