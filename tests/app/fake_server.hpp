// A server for the commands: it answers over a Unix socket with what a test gives it, and keeps
// what it was asked.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

namespace culvert::test {

class FakeServer {
 public:
  struct Request {
    std::string line, body;  // "GET /v1/status", and what followed the head
  };
  // The status and the body for a request; "" has no body.
  using Answer = std::function<std::pair<int, std::string>(const Request&)>;

  FakeServer(const std::string& path, Answer answer) : answer_(std::move(answer)) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof name.sun_path);
    std::memcpy(name.sun_path, path.data(), path.size());
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::bind(listener_, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
    REQUIRE(::listen(listener_, 16) == 0);
    REQUIRE(::pipe(end_) == 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeServer() {
    ::close(end_[1]);
    thread_.join();
    ::close(end_[0]);
    ::close(listener_);
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  std::vector<Request> asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  void serve() {
    for (;;) {
      pollfd wait[] = {{listener_, POLLIN, 0}, {end_[0], POLLIN, 0}};
      if (::poll(wait, 2, -1) < 0) return;
      if (wait[1].revents != 0) return;
      const int client = ::accept(listener_, nullptr, nullptr);
      if (client < 0) return;
      talk(client);
      ::close(client);
    }
  }

  void talk(int client) {
    std::string bytes;
    char buffer[4096];
    std::size_t head = std::string::npos, length = 0;
    while (head == std::string::npos || bytes.size() < head + 4 + length) {
      const ssize_t got = ::read(client, buffer, sizeof buffer);
      if (got <= 0) return;
      bytes.append(buffer, static_cast<std::size_t>(got));
      head = bytes.find("\r\n\r\n");
      const auto at = bytes.find("Content-Length: ");
      if (at != std::string::npos && at < head) length = std::stoul(bytes.substr(at + 16));
    }
    const Request request{bytes.substr(0, bytes.find(" HTTP/")), bytes.substr(head + 4)};
    const auto [status, body] = answer_(request);
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back(request);
    }
    const bool stream = request.line.find("/v1/events") != std::string::npos;
    const std::string type = stream          ? "text/event-stream"
                             : status >= 400 ? "application/problem+json"
                                             : "application/json";
    std::string text = "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: " + type +
                       "\r\nConnection: close\r\n";
    if (status != 204 && !stream) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    text += "\r\n" + body;
    for (std::size_t sent = 0; sent < text.size();) {
      const ssize_t put = ::send(client, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (put <= 0) return;
      sent += static_cast<std::size_t>(put);
    }
    if (stream) linger(client);
  }

  // A stream of events stays open until the client has had enough.
  void linger(int client) {
    pollfd wait[] = {{client, POLLIN, 0}, {end_[0], POLLIN, 0}};
    ::poll(wait, 2, 10'000);
  }

  Answer answer_;
  int listener_ = -1, end_[2] = {-1, -1};
  mutable std::mutex mutex_;
  std::vector<Request> asked_;
  std::thread thread_;
};

}  // namespace culvert::test
