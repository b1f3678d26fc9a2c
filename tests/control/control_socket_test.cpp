// The doors of the HTTP server: a socket of its owner's alone, a TCP port, and the command line's
// client.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <filesystem>
#include <thread>

#include "control/http_client.hpp"
#include "tests/control/support/http_world.hpp"

using namespace culvert::control;
using namespace std::chrono_literals;
using World = HttpWorld;
using Raw = RawClient;

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/culvert-http-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

mode_t mode_of(const std::string& path) {
  struct stat found {};
  REQUIRE(::stat(path.c_str(), &found) == 0);
  return found.st_mode & 0777;
}

std::string failure(const std::function<void()>& act) try {
  act();
  return {};
} catch (const std::runtime_error& error) {
  return error.what();
}

}  // namespace

TEST_CASE("the control socket is its owner's alone, and made anew where a dead one lies") {
  Folder folder;
  const std::string path = folder.path + "/state/deep/control.sock";
  World world;
  world.server_.listen_local(path);
  CHECK(mode_of(path) == 0600);
  CHECK(mode_of(folder.path + "/state/deep") == 0700);
  CHECK(mode_of(folder.path + "/state") == 0700);

  World second;
  CHECK(failure([&] { second.server_.listen_local(path); }).find("another process answers there") !=
        std::string::npos);
  world.server_.close();
  CHECK_FALSE(std::filesystem::exists(path));

  const int left = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof name.sun_path - 1);
  REQUIRE(::bind(left, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
  ::close(left);
  World third;
  third.server_.listen_local(path);
  CHECK(mode_of(path) == 0600);
}

TEST_CASE("another user is told that the server is not theirs, even where the file lets them in") {
  if (::geteuid() != 0) return;  // nobody else to be
  Folder folder;
  const std::string path = folder.path + "/control.sock";
  World world;
  world.server_.listen_local(path);
  std::filesystem::permissions(folder.path, std::filesystem::perms(0755));
  std::filesystem::permissions(path, std::filesystem::perms(0666));
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int status = 0;
    try {
      if (::setresuid(65534, 65534, 65534) == 0)
        status = HttpClient(path, 5s).get("/healthz").status;
    } catch (const ClientError&) {
    }
    ::_exit(status == 403 ? 0 : 1);
  }
  int how = -1;
  bool over = false;
  CHECK(
      world.until([&] { return over || (over = ::waitpid(child, &how, WNOHANG) == child); }, 10s));
  CHECK(WIFEXITED(how));
  CHECK(WEXITSTATUS(how) == 0);
}

TEST_CASE("a control socket that cannot be had is an error that says why") {
  Folder folder;
  World world;
  const std::string file = folder.path + "/file";
  ::close(::open(file.c_str(), O_CREAT | O_WRONLY, 0600));
  CHECK(failure([&] { world.server_.listen_local(file); }).find("it is no socket") !=
        std::string::npos);
  CHECK(std::filesystem::exists(file));
  CHECK(failure([&] {
          world.server_.listen_local(folder.path + "/" + std::string(120, 'x'));
        }).find("longer than 107 bytes") != std::string::npos);
  CHECK(failure([&] { world.server_.listen_local(file + "/x.sock"); }) != "");
  CHECK(failure([&] { world.server_.listen_tcp("nowhere"); }).find("HOST:PORT") !=
        std::string::npos);
  world.server_.listen_tcp("127.0.0.1:0");
  World second;
  CHECK(failure([&] { second.server_.listen_tcp(world.server_.tcp_address()); }) != "");
}

TEST_CASE("the command line's client asks, hears events, and says why it cannot") {
  Folder folder;
  const std::string path = folder.path + "/control.sock";
  CHECK(failure([&] { HttpClient(path).get("/healthz"); }) ==
        "no culvert runs with control socket " + path + ": there is no such file");
  World world;
  world.server_.listen_local(path);
  for (int i = 0; i < 3; ++i) world.events.publish(EventKind::connect, "laptop", "");
  auto work = boost::asio::make_work_guard(world.io);
  std::thread thread([&] { world.io.run(); });

  HttpClient client(path);
  CHECK(client.get("/healthz").body == "{\"alive\":true}\n");
  const Answer wrong = client.request("POST", "/v1/peers", R"({"x":1})");
  CHECK(wrong.status == 422);
  CHECK(wrong.problem() == "Invalid peer; x: there is no such key");
  CHECK(client.request("DELETE", "/v1/peers/nobody").status == 404);
  CHECK(client.events("/v1/events?types=x", [](const auto&) { return true; }).status == 400);

  int heard = 0;
  boost::asio::post(world.io, [&] { world.events.publish(EventKind::quota, "laptop", "used"); });
  std::string last;
  const Answer told = client.events(
      "/v1/events",
      [&](const HttpClient::Event& event) {
        last = event.type + " " + event.id;
        return ++heard < 1;
      },
      [&, ticks = 0]() mutable {
        boost::asio::post(world.io, [&] { world.events.publish(EventKind::quota, "laptop", ""); });
        return ++ticks < 50;
      });
  CHECK(told.status == 200);
  CHECK(heard == 1);
  CHECK(last.starts_with("quota "));

  boost::asio::post(world.io, [&] { world.server_.close(), work.reset(); });
  thread.join();
  world.io.restart();
  CHECK_THROWS_AS(client.get("/healthz"), ClientError);
}

TEST_CASE("over TCP the same server answers, with the token") {
  World world;
  world.server_.listen_tcp("127.0.0.1:0");
  const auto address = *culvert::base::Endpoint::parse(world.server_.tcp_address());
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_storage name{};
  const socklen_t length = address.to_sockaddr(name);
  REQUIRE(::connect(descriptor, reinterpret_cast<sockaddr*>(&name), length) == 0);
  Raw& client = world.clients.emplace_back(descriptor);
  client.send(get("/v1/status"));
  REQUIRE(world.answered(client));
  CHECK(is(client.got, 401));
  client.send("GET /v1/status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + world.token +
              "\r\n\r\n");
  REQUIRE(world.answered(client, 2));
  CHECK(client.got.find("HTTP/1.1 200") != std::string::npos);
}
