#include "control/http_server.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <list>
#include <thread>

#include "control/http_client.hpp"
#include "tests/control/support/fake_api.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::control;
using namespace std::chrono_literals;

namespace {

// A client that sends what the test says and hears what comes.
class Raw {
 public:
  explicit Raw(int descriptor) : descriptor_(descriptor) {}
  ~Raw() { close(); }
  Raw(const Raw&) = delete;

  void send(std::string_view bytes) const {
    (void)!::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  void listen() {
    char room[65536];
    for (ssize_t n; (n = ::recv(descriptor_, room, sizeof room, MSG_DONTWAIT)) >= 0;) {
      if (n == 0) return void(ended = true);
      got.append(room, std::size_t(n));
    }
    if (errno == ECONNRESET) ended = true;
  }
  void close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }
  std::size_t answers() const {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = got.find("HTTP/1.1 ", at)) != got.npos; ++at) ++count;
    return count;
  }

  std::string got;
  bool ended = false;

 private:
  int descriptor_;
};

HttpBounds short_times() {
  HttpBounds bounds;
  bounds.request = 60ms;
  bounds.idle = 80ms;
  bounds.write = 60ms;
  bounds.linger = 20ms;
  bounds.heartbeat = 30ms;
  return bounds;
}

struct World : FakeApi {
  explicit World(HttpBounds bounds = {}) : server_(io, api, bounds) {}
  ~World() { server_.close(), io.run_for(1s); }

  // At a door, by a pair of connected sockets.
  Raw& connect(Door door = Door::local, int buffer = 0) {
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    if (buffer > 0) ::setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    server_.adopt(pair[1], door);
    return clients.emplace_back(pair[0]);
  }

  bool until(const std::function<bool()>& done, std::chrono::milliseconds patience = 5s) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!done() && std::chrono::steady_clock::now() < end) {
      io.run_for(2ms);
      io.restart();
      for (Raw& each : clients) each.listen();
    }
    return done();
  }
  bool answered(Raw& client, std::size_t count = 1) {
    return until([&] { return client.answers() >= count && client.got.ends_with("\n"); });
  }
  bool ended(Raw& client) {
    return until([&] { return client.ended; });
  }
  std::string answer_to(std::string_view bytes) {
    Raw& client = connect();
    client.send(bytes);
    CHECK(answered(client));
    return client.got;
  }

  boost::asio::io_context io;
  HttpServer server_;
  std::list<Raw> clients;
};

std::string get(std::string_view target) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

bool is(const std::string& answer, int status) {
  return answer.starts_with("HTTP/1.1 " + std::to_string(status) + " ");
}

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

TEST_CASE("a request is answered and the connection goes on") {
  World world;
  Raw& client = world.connect();
  for (std::size_t i = 1; i <= 3; ++i) {
    client.send(get("/healthz"));
    REQUIRE(world.answered(client, i));
  }
  CHECK(client.got.find("Content-Length: 15\r\n") != std::string::npos);
  CHECK(client.got.find("Connection: keep-alive\r\n") != std::string::npos);
  CHECK_FALSE(client.ended);
}

TEST_CASE("requests sent together are answered in order") {
  World world;
  Raw& client = world.connect();
  client.send(get("/healthz") + get("/v1/nothing") + get("/metrics"));
  REQUIRE(world.answered(client, 3));
  const auto alive = client.got.find("alive"), nothing = client.got.find("404"),
             metrics = client.got.find("# HELP");
  CHECK(alive < nothing);
  CHECK(nothing < metrics);
  CHECK(metrics != std::string::npos);
}

TEST_CASE("HEAD has the length and no body") {
  World world;
  const std::string got = world.answer_to("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(is(got, 200));
  CHECK(got.find("Content-Length: 15\r\n") != std::string::npos);
  CHECK(got.ends_with("\r\n\r\n"));
}

TEST_CASE("who expects 100-continue is told to go on, or what is wrong before the body") {
  World world;
  Raw& client = world.connect();
  client.send(
      "POST /v1/peers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
      "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  REQUIRE(world.until([&] { return client.got == "HTTP/1.1 100 Continue\r\n\r\n"; }));
  client.send("{}");
  REQUIRE(world.answered(client, 2));
  CHECK(client.got.find("HTTP/1.1 422") != std::string::npos);
  CHECK(is(world.answer_to("POST /v1/peers HTTP/1.1\r\nHost: x\r\nContent-Type: text/html\r\n"
                           "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"),
           415));
  CHECK(is(world.answer_to("POST /v1/peers HTTP/1.1\r\nHost: x\r\nExpect: cake\r\n\r\n"), 417));
}

TEST_CASE("a body may come in chunks") {
  World world;
  const std::string got = world.answer_to(
      "POST /v1/peers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n");
  CHECK(is(got, 422));
}

TEST_CASE("what is no request is refused as what it is") {
  World world;
  const std::string host = "Host: x\r\n";
  CHECK(is(world.answer_to("nonsense\r\n\r\n"), 400));
  CHECK(is(world.answer_to("GET / HTTP/2.0\r\n" + host + "\r\n"), 505));
  CHECK(is(world.answer_to("GET / HTTP/1.1\r\n\r\n"), 400));
  CHECK(is(world.answer_to("GET / HTTP/1.1\r\n" + host + host + "\r\n"), 400));
  CHECK(is(world.answer_to("GET healthz HTTP/1.1\r\n" + host + "\r\n"), 400));
  CHECK(is(world.answer_to("GET http://x/healthz HTTP/1.1\r\n" + host + "\r\n"), 200));
  CHECK(is(world.answer_to("POST /v1/peers HTTP/1.1\r\n" + host +
                           "Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}"),
           400));
  CHECK(is(world.answer_to("POST /v1/peers HTTP/1.1\r\n" + host +
                           "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"),
           400));
  CHECK(is(world.answer_to("POST /v1/peers HTTP/1.1\r\n" + host +
                           "Transfer-Encoding: gzip, chunked\r\n\r\n"),
           501));
  CHECK(is(world.answer_to(std::string("GET /\0 HTTP/1.1\r\n", 17) + host + "\r\n"), 400));
}

TEST_CASE("sizes are bounded, each with its status") {
  World world;
  const std::string head = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
  CHECK(is(world.answer_to(head + "X: " + std::string(15'000, 'x') + "\r\n\r\n"), 200));
  CHECK(is(world.answer_to(head + "X: " + std::string(17'000, 'x') + "\r\n\r\n"), 431));
  CHECK(is(world.answer_to(get("/" + std::string(9'000, 'x'))), 414));
  CHECK(is(world.answer_to("GET /" + std::string(20'000, 'x')), 414));
  const std::string post =
      "POST /v1/peers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
  CHECK(is(world.answer_to(post + "Content-Length: 1048577\r\n\r\n"), 413));
  CHECK(is(world.answer_to(post + "Content-Length: 99999999999999999999\r\n\r\n"), 400));
  Raw& client = world.connect();
  client.send(post + "Transfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "8000\r\n" + std::string(0x8000, ' ') + "\r\n";
  for (int i = 0; i < 40 && client.got.empty(); ++i) {
    client.send(chunk);
    world.until([] { return false; }, 3ms);
  }
  REQUIRE(world.answered(client));
  CHECK(is(client.got, 413));
}

TEST_CASE("a request that does not end is refused, a connection that says nothing is closed") {
  World world(short_times());
  Raw &slow = world.connect(), &body = world.connect(), &silent = world.connect();
  slow.send("GET /healthz HT");
  body.send(
      "POST /v1/peers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
      "Content-Length: 100\r\n\r\n{");
  CHECK(world.answered(slow));
  CHECK(is(slow.got, 408));
  CHECK(world.answered(body));
  CHECK(is(body.got, 408));
  CHECK(world.ended(silent));
  CHECK(silent.got.empty());
  CHECK(world.ended(slow));
  CHECK(world.until([&] { return world.server_.connections() == 0; }));
}

TEST_CASE("a request that comes byte by byte must still end in time") {
  World world(short_times());
  Raw& client = world.connect();
  const std::string text = get("/healthz");
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < text.size() && client.got.empty(); ++i) {
    client.send(text.substr(i, 1));
    world.until([] { return false; }, 10ms);
  }
  CHECK(is(client.got, 408));
  CHECK(std::chrono::steady_clock::now() - start < 1s);
}

TEST_CASE("a client that does not take its answer is cut off") {
  World world(short_times());
  for (unsigned char i = 1; i < 250; ++i)
    world.server.put("peer " + std::to_string(i), i, Source::file);
  Raw& client = world.connect(Door::local, 4096);
  client.send(get("/v1/peers"));
  const auto end = std::chrono::steady_clock::now() + 5s;
  while (world.server_.connections() > 0 && std::chrono::steady_clock::now() < end) {
    world.io.run_for(5ms);
    world.io.restart();
  }
  CHECK(world.server_.connections() == 0);
  CHECK(world.ended(client));
}

TEST_CASE("100 idle connections do not keep a new request out") {
  World world;
  Raw& first = world.connect();
  for (int i = 0; i < 99; ++i) world.connect();
  CHECK(world.ended(first));
  CHECK(world.server_.connections() == 64);
  CHECK(is(world.answer_to(get("/healthz")), 200));
  CHECK(world.server_.connections() == 64);
}

TEST_CASE("100 requests that do not end do not keep a new one out") {
  World world;
  for (int i = 0; i < 100; ++i) world.connect().send("GET /");
  CHECK(world.until([&] { return world.server_.connections() == 64; }));
  CHECK(is(world.answer_to(get("/healthz")), 200));
}

TEST_CASE("each door has its own room") {
  World world;
  for (int i = 0; i < 100; ++i) world.connect(Door::tcp);
  Raw& client = world.connect(Door::local);
  CHECK(world.server_.connections() == 65);
  client.send(get("/v1/status"));
  CHECK(world.answered(client));
  CHECK(is(client.got, 200));
  Raw& remote = world.connect(Door::tcp);
  remote.send(get("/v1/status"));
  CHECK(world.answered(remote));
  CHECK(is(remote.got, 401));
}

TEST_CASE("a failure inside is a problem of its own and not the end") {
  World world;
  world.server.put("laptop", 1, Source::database);
  world.server.fails = true;
  Raw& client = world.connect();
  client.send("DELETE /v1/peers/laptop HTTP/1.1\r\nHost: x\r\n\r\n" + get("/healthz"));
  CHECK(world.answered(client, 2));
  CHECK(is(client.got, 500));
  CHECK(client.got.find("the test said so") == std::string::npos);
}

TEST_CASE("a client that goes away in the middle leaves nothing behind") {
  World world;
  world.server.put("laptop", 1, Source::database);
  for (const std::string& text :
       {std::string("DELETE /v1/peers/laptop HTTP/1.1\r\nHost: x\r\n\r\n"), get("/v1/events"),
        std::string("GET / HTTP"), std::string()}) {
    Raw& client = world.connect();
    client.send(text);
    client.close();
  }
  CHECK(world.until([&] { return world.server_.connections() == 0; }));
  CHECK(world.server.peers().empty());
}

TEST_CASE("events go on with a comment where nothing happens, until the client goes") {
  World world(short_times());
  Raw& client = world.connect();
  client.send(get("/v1/events"));
  REQUIRE(world.until([&] { return client.got.find("retry: ") != std::string::npos; }));
  CHECK(client.got.find("Content-Type: text/event-stream\r\n") != std::string::npos);
  CHECK(client.got.find("Content-Length") == std::string::npos);
  REQUIRE(world.until([&] { return client.got.find(": heartbeat\n\n") != std::string::npos; }));
  world.events.publish(EventKind::connect, "laptop", "");
  REQUIRE(world.until([&] { return client.got.find("id: 1\n") != std::string::npos; }));
  world.until([] { return false; },
              200ms);  // longer than a request may take or an idle client stay
  CHECK_FALSE(client.ended);
  client.close();
  CHECK(world.until([&] { return world.server_.connections() == 0; }));
}

TEST_CASE("listeners have a bound, and leave room for requests") {
  World world;
  const HttpBounds bounds;
  for (std::size_t i = 0; i < bounds.streams; ++i) {
    Raw& client = world.connect();
    client.send(get("/v1/events"));
    REQUIRE(world.until([&] { return client.got.find("retry") != std::string::npos; }));
  }
  CHECK(is(world.answer_to(get("/v1/events")), 503));
  for (int i = 0; i < 100; ++i) world.connect();
  CHECK(is(world.answer_to(get("/healthz")), 200));
}

TEST_CASE("a listener that does not read is dropped, another goes on") {
  World world(short_times());
  Raw &slow = world.connect(Door::local, 4096), &good = world.connect();
  for (Raw* each : {&slow, &good}) {
    each->send(get("/v1/events"));
    REQUIRE(world.until([&] { return each->got.find("retry") != std::string::npos; }));
  }
  const std::string detail(1000, 'x');
  const auto end = std::chrono::steady_clock::now() + 5s;
  std::uint64_t told = 0;
  while (world.server_.connections() > 1 && std::chrono::steady_clock::now() < end) {
    world.events.publish(EventKind::connect, "laptop", detail);
    ++told;
    world.io.run_for(1ms);
    world.io.restart();
    good.listen();
  }
  CHECK(world.server_.connections() == 1);
  CHECK(world.until(
      [&] { return good.got.find("id: " + std::to_string(told) + "\n") != std::string::npos; }));
}

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
