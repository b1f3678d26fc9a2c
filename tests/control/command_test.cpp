#include "control/command.hpp"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "tests/support/catch.hpp"

using namespace culvert::control;
using namespace std::chrono_literals;

namespace {

boost::asio::awaitable<void> store(CommandRequest request, CommandResult* into) {
  *into = co_await run_command(request);
}

CommandResult run(std::vector<std::string> arguments, std::chrono::milliseconds timeout = 5s) {
  boost::asio::io_context io;
  CommandRequest request;
  request.arguments = std::move(arguments);
  request.environment = {{"CULVERT_PEER", "a b"}};
  request.timeout = timeout;
  CommandResult result;
  boost::asio::co_spawn(io, store(request, &result), [](std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
  });
  io.run();
  return result;
}

}  // namespace

TEST_CASE("a command ends with its exit code and output") {
  const CommandResult result = run({"sh", "-c", "echo $CULVERT_PEER; exit 3"});
  CHECK(result.exit_code == 3);
  CHECK(result.output == "a b\n");
  CHECK(result.error.empty());
}

TEST_CASE("a command gets no secret of the server's environment and none of its descriptors") {
  ::setenv("WG_PRIVATE_KEY", "secret", 1);
  int pipe[2];
  REQUIRE(::pipe(pipe) == 0);
  CHECK(run({"env"}).output.find("secret") == std::string::npos);
  ::unsetenv("WG_PRIVATE_KEY");
  const std::string ours = "/proc/$$/fd/" + std::to_string(pipe[0]);
  CHECK(run({"sh", "-c", "[ -e /proc/$$/fd/1 ] && echo out; [ -e " + ours + " ] && echo ours"})
            .output == "out\n");
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_CASE("arguments are not a shell's") {
  CHECK(run({"echo", "$HOME; false"}).output == "$HOME; false\n");
}

TEST_CASE("a slow command and what it started are killed at the timeout") {
  const auto begin = std::chrono::steady_clock::now();
  const CommandResult result = run({"sh", "-c", "sleep 60 & echo $!; sleep 60"}, 200ms);
  CHECK(result.error == "timed out");
  CHECK(result.exit_code == -1);
  CHECK(std::chrono::steady_clock::now() - begin < 10s);
  const int child = std::stoi(result.output);
  for (int i = 0; i < 200 && ::kill(child, 0) == 0; ++i) ::usleep(10'000);
  CHECK(::kill(child, 0) != 0);
}

TEST_CASE("who writes without end is stopped at the timeout, its output bounded") {
  const CommandResult result = run({"yes"}, 200ms);
  CHECK(result.error == "timed out");
  CHECK(result.output.size() <= 64 * 1024);
}

TEST_CASE("a command that ends while something of it still runs has ended") {
  const auto begin = std::chrono::steady_clock::now();
  CHECK(run({"sh", "-c", "sleep 5 & exit 0"}).exit_code == 0);
  CHECK(std::chrono::steady_clock::now() - begin < 4s);
}

TEST_CASE("what cannot be run, or dies, says why") {
  CHECK(run({"/nonexistent"}).error.find("/nonexistent: No such file") != std::string::npos);
  CHECK(run({}).error.find("no command") != std::string::npos);
  CHECK(run({"sh", "-c", "kill -9 $$"}).error == "killed by signal 9");
}

TEST_CASE("a command has the usual signals whatever the server blocks or ignores") {
  sigset_t set, before;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &set, &before);
  CHECK(run({"sh", "-c", "kill -TERM $$; exit 5"}).error == "killed by signal 15");
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
}
