#include "control/command.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <system_error>

namespace culvert::control {
namespace {

namespace asio = boost::asio;
using asio::posix::descriptor_base;
using boost::system::error_code;

constexpr std::size_t max_output = 64 * 1024;

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

// A running child with its output; killed with its group and collected at the latest when it goes.
class Child {
 public:
  explicit Child(const CommandRequest& request);
  ~Child() {
    kill();
    collect();
    ::close(output_);
    if (pidfd_ >= 0) ::close(pidfd_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int pidfd() const noexcept { return pidfd_; }
  void kill() noexcept {
    if (pid_ > 0) ::kill(-pid_, SIGKILL), ::kill(pid_, SIGKILL);
  }
  int collect() noexcept {
    int status = 0;
    if (pid_ <= 0) return status;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }
  std::string output() const;

 private:
  void spawn(const CommandRequest& request, int output);

  pid_t pid_ = -1;
  int pidfd_ = -1, output_ = -1;
};

// Not the server's own environment, which may hold its keys.
std::vector<std::string> environment_of(const CommandRequest& request) {
  std::vector<std::string> all;
  const char* path = std::getenv("PATH");
  all.push_back(std::string("PATH=") + (path ? path : "/usr/local/bin:/usr/bin:/bin"));
  for (const char* name : {"HOME", "LANG"})
    if (const char* value = std::getenv(name)) all.push_back(std::string(name) + "=" + value);
  for (const auto& [name, value] : request.environment) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

Child::Child(const CommandRequest& request) {
  if (request.arguments.empty()) fail(EINVAL, "no command");
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) fail(errno, "pipe");
  output_ = pipe[0];
  try {
    ::fcntl(output_, F_SETFL, O_NONBLOCK);
    spawn(request, pipe[1]);
  } catch (...) {
    ::close(pipe[0]);
    ::close(pipe[1]);
    throw;
  }
  ::close(pipe[1]);
  pidfd_ = int(::syscall(SYS_pidfd_open, pid_, 0));
  if (pidfd_ >= 0) return;
  const int error = errno;
  kill();
  collect();
  ::close(output_);
  fail(error, "pidfd_open");
}

void Child::spawn(const CommandRequest& request, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output, 1);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  ::posix_spawnattr_init(&attributes);
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::vector<std::string> arguments = request.arguments, environment = environment_of(request);
  const int error = ::posix_spawnp(&pid_, arguments.front().c_str(), &actions, &attributes,
                                   pointers_to(arguments).data(), pointers_to(environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) pid_ = -1, fail(error, request.arguments.front());
}

std::string Child::output() const {
  std::string text(max_output, '\0');
  std::size_t used = 0;
  while (used < text.size()) {
    const ssize_t n = ::read(output_, text.data() + used, text.size() - used);
    if (n <= 0) break;
    used += std::size_t(n);
  }
  text.resize(used);
  return text;
}

CommandResult result_of(int status, bool timed_out, std::string output) {
  CommandResult result;
  if (timed_out)
    result.error = "timed out";
  else if (WIFSIGNALED(status))
    result.error = "killed by signal " + std::to_string(WTERMSIG(status));
  else
    result.exit_code = WEXITSTATUS(status);
  result.output = std::move(output);
  return result;
}

asio::awaitable<CommandResult> run(const CommandRequest& request) {
  const auto executor = co_await asio::this_coro::executor;
  Child child(request);
  const auto ended = std::make_shared<asio::posix::stream_descriptor>(
      executor, ::fcntl(child.pidfd(), F_DUPFD_CLOEXEC, 3));
  asio::steady_timer limit(executor, request.timeout);
  const auto timed_out = std::make_shared<bool>(false);
  limit.async_wait([ended, timed_out](error_code error) {
    if (error) return;
    *timed_out = true;
    ended->cancel();
  });
  error_code error;
  co_await ended->async_wait(descriptor_base::wait_read,
                             asio::redirect_error(asio::use_awaitable, error));
  limit.cancel();
  const bool late = bool(error);
  if (late) {
    child.kill();
    co_await ended->async_wait(descriptor_base::wait_read,
                               asio::redirect_error(asio::use_awaitable, error));
  }
  const int status = child.collect();
  co_return result_of(status, late, child.output());
}

}  // namespace

asio::awaitable<CommandResult> run_command(CommandRequest request) {
  CommandResult result;
  try {
    result = co_await run(request);
  } catch (const std::system_error& error) {
    result.error = error.what();
  }
  co_return result;
}

}  // namespace culvert::control
