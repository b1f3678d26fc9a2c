// An HttpServer over fakes, and clients that send what a test says: all in one thread.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <list>
#include <string>
#include <utility>

#include "control/http_server.hpp"
#include "tests/control/support/fake_api.hpp"
#include "tests/support/catch.hpp"

namespace culvert::control {

// A client that sends what the test says and hears what comes.
class RawClient {
 public:
  explicit RawClient(int descriptor) : descriptor_(descriptor) {}
  ~RawClient() { close(); }
  RawClient(const RawClient&) = delete;

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

inline HttpBounds short_times() {
  HttpBounds bounds;
  bounds.request = std::chrono::milliseconds(60);
  bounds.idle = std::chrono::milliseconds(80);
  bounds.write = std::chrono::milliseconds(60);
  bounds.linger = std::chrono::milliseconds(20);
  bounds.heartbeat = std::chrono::milliseconds(30);
  return bounds;
}

struct HttpWorld : FakeApi {
  explicit HttpWorld(HttpBounds bounds = {}) : server_(io, api, bounds) {}
  ~HttpWorld() { server_.close(), io.run_for(std::chrono::seconds(1)); }

  // At a door, by a pair of connected sockets.
  RawClient& connect(Door door = Door::local, int buffer = 0) {
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    if (buffer > 0) ::setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    server_.adopt(pair[1], door);
    return clients.emplace_back(pair[0]);
  }

  bool until(const std::function<bool()>& done,
             std::chrono::milliseconds patience = std::chrono::seconds(5)) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!done() && std::chrono::steady_clock::now() < end) {
      io.run_for(std::chrono::milliseconds(2));
      io.restart();
      for (RawClient& each : clients) each.listen();
    }
    return done();
  }
  bool answered(RawClient& client, std::size_t count = 1) {
    return until([&] { return client.answers() >= count && client.got.ends_with("\n"); });
  }
  bool ended(RawClient& client) {
    return until([&] { return client.ended; });
  }
  std::string answer_to(std::string_view bytes) {
    RawClient& client = connect();
    client.send(bytes);
    CHECK(answered(client));
    return client.got;
  }

  boost::asio::io_context io;
  HttpServer server_;
  std::list<RawClient> clients;
};

inline std::string get(std::string_view target) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

inline bool is(const std::string& answer, int status) {
  return answer.starts_with("HTTP/1.1 " + std::to_string(status) + " ");
}

}  // namespace culvert::control
