#include "control/uapi_server.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <cstring>
#include <fstream>

#include "tests/support/fake_server.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::control;
using namespace std::chrono_literals;

namespace {

const std::string key(64, 'a');

struct World {
  explicit World(std::chrono::milliseconds with = 10s) : patience(with) {
    char name[] = "/tmp/culvert-uapi-XXXXXX";
    REQUIRE(::mkdtemp(name));
    folder = name;
  }
  ~World() {
    uapi.reset();
    io.restart();
    io.poll();
    std::filesystem::remove_all(folder);
  }
  void start() {
    uapi = std::make_unique<UapiServer>(io.get_executor(), server,
                                        UapiServer::Options{folder / "run", "wg7", patience});
  }
  std::string path() const { return (folder / "run" / "wg7.sock").string(); }

  // Turns of the loop until the condition holds.
  template <class Condition>
  bool run_until(Condition condition, std::chrono::milliseconds limit = 10s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition() && std::chrono::steady_clock::now() < end) {
      io.restart();
      io.run_one_for(10ms);
    }
    return condition();
  }

  std::chrono::milliseconds patience;
  std::filesystem::path folder;
  boost::asio::io_context io{1};
  FakeServer server;
  std::unique_ptr<UapiServer> uapi;
};

// A client whose socket does not block; what came is in `got`.
struct Client {
  explicit Client(const std::string& path) {
    fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, path.data(), path.size());
    connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }
  ~Client() { ::close(fd); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view text) {
    REQUIRE(::send(fd, text.data(), text.size(), MSG_NOSIGNAL) == ssize_t(text.size()));
  }
  bool ended() {
    char buffer[65536];
    ssize_t n;
    while ((n = ::recv(fd, buffer, sizeof buffer, 0)) > 0) got.append(buffer, std::size_t(n));
    return n == 0 || errno != EAGAIN;
  }
  bool has(std::string_view end) {
    this->ended();
    return got.ends_with(end);
  }
  int fd;
  bool connected;
  std::string got;
};

}  // namespace

TEST_CASE("the socket is the owner's alone, serves several requests and is removed at the end") {
  World world;
  world.start();
  REQUIRE(world.uapi->listening());
  struct stat made {};
  REQUIRE(::stat(world.path().c_str(), &made) == 0);
  CHECK(S_ISSOCK(made.st_mode));
  CHECK((made.st_mode & 077) == 0);
  Client client(world.path());
  client.send("get=1\n\nget=1\n");
  CHECK(world.run_until([&] { return client.has("errno=0\n\n"); }));
  CHECK(client.got.starts_with("private_key=4848"));
  client.got.clear();
  client.send("\nset=1\npublic_key=" + key + "\nallowed_ip=10.0.0.2/32\n\nset=1\nbad=1\n\n");
  CHECK(world.run_until([&] { return client.has("errno=0\n\nerrno=-22\n\n"); }));
  REQUIRE(world.server.changes_.size() == 1);
  CHECK(world.server.changes_[0].peers.size() == 1);
  world.uapi.reset();
  CHECK_FALSE(std::filesystem::exists(world.path()));
}

TEST_CASE("the server's refusal of a change is an errno") {
  World world;
  world.server.problem_ = Problem{501, "Not here", "", {}};
  world.start();
  Client client(world.path());
  client.send("set=1\nlisten_port=7\n\n");
  CHECK(world.run_until([&] { return client.has("errno=-95\n\n"); }));
}

TEST_CASE("a request of 10,000 peers in pieces is one change") {
  World world;
  world.start();
  Client client(world.path());
  std::string text = "set=1\nreplace_peers=true\n";
  for (int i = 0; i < 10'000; ++i) {
    char digits[65];
    std::snprintf(digits, sizeof digits, "%064x", i);
    text += "public_key=" + std::string(digits) + "\npreshared_key=" + key +
            "\npersistent_keepalive_interval=25\nreplace_allowed_ips=true\nallowed_ip=10.8.0.2/32\n"
            "allowed_ip=fd08::2/128\n";
  }
  text += "\n";
  std::size_t sent = 0;
  CHECK(world.run_until([&] {
    const ssize_t n = ::send(client.fd, text.data() + sent,
                             std::min<std::size_t>(text.size() - sent, 7777), MSG_NOSIGNAL);
    if (n > 0) sent += std::size_t(n);
    return client.has("errno=0\n\n");
  }));
  REQUIRE(world.server.changes_.size() == 1);
  CHECK(world.server.changes_[0].peers.size() == 10'000);
}

TEST_CASE("10,000 peers are shown to a client that reads late") {
  World world;
  for (int i = 0; i < 10'000; ++i) world.server.add("p", std::byte(i));
  world.start();
  Client client(world.path());
  client.send("get=1\n\n");
  world.run_until([] { return false; }, 50ms);
  CHECK(world.run_until([&] { return client.has("errno=0\n\n"); }));
  CHECK(client.got.size() > 10'000 * 250);
}

TEST_CASE("a request that ends with the connection changes nothing") {
  World world;
  world.start();
  Client client(world.path());
  client.send("set=1\nreplace_peers=true\n");
  ::shutdown(client.fd, SHUT_WR);
  CHECK(world.run_until([&] { return client.ended(); }));
  CHECK(client.got.empty());
  CHECK(world.server.changes_.empty());
}

TEST_CASE("a line without end is answered and the connection closed, and nothing is changed") {
  World world;
  world.start();
  Client client(world.path());
  client.send("set=1\nreplace_peers=true\nprivate_key=" + std::string(5000, 'a'));
  CHECK(world.run_until([&] { return client.ended(); }));
  CHECK(client.got == "errno=-90\n\n");
  CHECK(world.server.changes_.empty());
}

TEST_CASE("silent connections are closed, and until then further ones wait") {
  World world(100ms);
  world.start();
  std::deque<Client> silent;
  for (std::size_t i = 0; i < UapiServer::max_connections; ++i) silent.emplace_back(world.path());
  world.run_until([] { return false; }, 20ms);
  Client client(world.path());
  REQUIRE(client.connected);
  client.send("get=1\n\n");
  CHECK_FALSE(world.run_until([&] { return client.has("errno=0\n\n"); }, 30ms));
  CHECK(world.run_until([&] { return client.has("errno=0\n\n"); }));
  CHECK(world.run_until([&] { return std::ranges::all_of(silent, &Client::ended); }));
}

TEST_CASE("a dead server's socket is replaced, a living one's is not") {
  World world;
  std::filesystem::create_directory(world.folder / "run");
  {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, world.path().data(), world.path().size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    ::close(fd);
  }
  world.start();
  CHECK(world.uapi->listening());
  {
    const UapiServer second(world.io.get_executor(), world.server, {world.folder / "run", "wg7"});
    CHECK_FALSE(second.listening());
  }
  CHECK(std::filesystem::exists(world.path()));
}

TEST_CASE("where there can be no socket there is none and nothing fails") {
  World world;
  std::ofstream(world.folder / "run") << "a file";
  world.start();
  CHECK_FALSE(world.uapi->listening());
  const UapiServer too_long(world.io.get_executor(), world.server,
                            {world.folder / std::string(120, 'x'), "wg7"});
  CHECK_FALSE(too_long.listening());
}

TEST_CASE("the server may end while a client waits for it") {
  World world;
  world.start();
  Client client(world.path());
  client.send("set=1\n");
  world.run_until([] { return false; }, 20ms);
  world.uapi.reset();
  CHECK(world.run_until([&] { return client.ended(); }));
}
