// The process tree of `culvert run`, for real, on loopback: it survives its workers, and leaves
// nothing behind.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "app/run.hpp"
#include "base/file_descriptor.hpp"
#include "tests/support/catch.hpp"
#include "wg/udp_socket.hpp"

using namespace culvert;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<app::Config> tiny_config(unsigned workers, std::uint16_t port = 0) {
  base::SystemRandom random;
  auto config = std::make_unique<app::Config>();
  config->private_key = wg::generate_private_key(random);
  config->listen = {{*base::IpAddress::parse("127.0.0.1"), port}};
  config->address = {{*base::IpAddress::parse("10.8.0.1"), *base::Prefix::parse("10.8.0.0/24")}};
  config->workers = workers;
  config->http = "";
  config->sandbox = false;  // sanitizers look at files
  config->log_level = base::log::Level::off;
  for (int i = 2; i < 6; ++i) {
    app::PeerEntry peer;
    peer.name = "peer " + std::to_string(i);
    peer.public_key = wg::public_key_of(wg::generate_private_key(random));
    peer.allowed_ips = {*base::Prefix::parse("10.8.0." + std::to_string(i) + "/32")};
    config->peers.push_back(std::move(peer));
  }
  return config;
}

// A running server, in a child process.
class Server {
 public:
  explicit Server(std::function<std::unique_ptr<app::Config>()> config) : pid_(::fork()) {
    if (pid_ == 0) ::_exit(app::run_server(config()));
  }
  ~Server() {
    if (pid_ > 0) ::kill(pid_, SIGKILL), ::waitpid(pid_, nullptr, 0);
  }

  std::vector<pid_t> workers() const {
    const std::string pid = std::to_string(pid_);
    std::ifstream children("/proc/" + pid + "/task/" + pid + "/children");
    std::vector<pid_t> found;
    for (pid_t child; children >> child;) found.push_back(child);
    return found;
  }
  void signal(int number) const { REQUIRE(::kill(pid_, number) == 0); }
  // The exit code; -1 if it does not end in time, or by a signal.
  int exit_code(std::chrono::milliseconds patience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < end) {
      int status = 0;
      if (::waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
      }
      std::this_thread::sleep_for(5ms);
    }
    return -1;
  }

 private:
  pid_t pid_;
};

bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds patience = 10s) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

bool is_gone(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string number, name, state;
  stat >> number >> name >> state;
  return state.empty() || state == "Z";
}

std::string name_of(pid_t pid) {
  std::ifstream comm("/proc/" + std::to_string(pid) + "/comm");
  std::string name;
  std::getline(comm, name);
  return name;
}

bool all_run(const Server& server, std::size_t count) {
  const auto workers = server.workers();
  return workers.size() == count && std::ranges::all_of(workers, [](pid_t pid) {
           return name_of(pid).starts_with("culvert-") && !is_gone(pid);
         });
}

}  // namespace

TEST_CASE("a killed worker is replaced, and SIGTERM ends everything with exit code 0") {
  Server server([] { return tiny_config(2); });
  REQUIRE(eventually([&] { return all_run(server, 2); }));
  std::this_thread::sleep_for(300ms);  // until they have said that they are ready
  const auto before = server.workers();
  REQUIRE(::kill(before[0], SIGKILL) == 0);
  REQUIRE(eventually([&] { return is_gone(before[0]) && all_run(server, 2); }));
  const auto after = server.workers();
  CHECK(std::ranges::find(after, before[0]) == after.end());
  CHECK(std::ranges::find(after, before[1]) != after.end());

  server.signal(SIGHUP);  // is survived
  server.signal(SIGTERM);
  CHECK(server.exit_code(5s) == 0);
  for (const pid_t worker : after) CHECK(eventually([&] { return is_gone(worker); }));
}

TEST_CASE("workers end with a supervisor that was killed") {
  Server server([] { return tiny_config(2); });
  REQUIRE(eventually([&] { return all_run(server, 2); }));
  const auto workers = server.workers();
  server.signal(SIGKILL);
  for (const pid_t worker : workers) CHECK(eventually([&] { return is_gone(worker); }));
}

TEST_CASE("a port in use ends the start with exit code 1, also if it is one of another group") {
  for (const bool group : {false, true}) {
    const base::FileDescriptor taken(
        wg::bind_udp({*base::IpAddress::parse("127.0.0.1"), 0}, group));
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    REQUIRE(::getsockname(taken.get(), reinterpret_cast<sockaddr*>(&name), &size) == 0);
    const std::uint16_t port = base::Endpoint::from_sockaddr(name).port;
    Server server([port] { return tiny_config(2, port); });
    CHECK(server.exit_code(10s) == 1);
  }
}

TEST_CASE("a configuration that a worker cannot use ends the start with exit code 1") {
  Server server([] {
    auto config = tiny_config(1);
    config->peers[1].public_key = config->peers[0].public_key;
    return config;
  });
  CHECK(server.exit_code(10s) == 1);
}
