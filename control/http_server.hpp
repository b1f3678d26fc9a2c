// HttpServer: HTTP/1.1 on a Unix socket and on TCP, on the supervisor's one thread. Whatever a
// client sends or fails to send costs it its connection and nobody else anything: sizes, times and
// the number of connections of each door are bounded.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "control/http.hpp"

namespace culvert::control {

struct HttpBounds {
  std::size_t target = 8 << 10;
  std::size_t header = 16 << 10;  // request line and fields
  std::size_t body = 1 << 20;
  std::size_t connections = 64;  // per door; another one closes the one that is idle the longest
  std::size_t streams = 24;      // per door, of `connections`
  std::chrono::milliseconds request{10'000};    // from its first byte to its last
  std::chrono::milliseconds idle{30'000};       // between requests
  std::chrono::milliseconds write{10'000};      // for each 64 KiB of an answer
  std::chrono::milliseconds linger{2'000};      // for a client that still sends when it is refused
  std::chrono::milliseconds heartbeat{15'000};  // of a stream with nothing to say
};

class HttpServer {
 public:
  HttpServer(boost::asio::io_context& io, HttpHandler& handler, HttpBounds bounds = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // A socket of mode 0600; its directory is made (0700) if it is missing. What a process left
  // behind is replaced, one that answers is an error. Throws std::runtime_error in words for the
  // operator.
  void listen_local(const std::string& path);
  // "127.0.0.1:9586", "[::1]:9586", "localhost:9586". Throws like the above.
  void listen_tcp(const std::string& host_port);
  // Takes a connected, non-blocking stream socket as one that came in at that door.
  void adopt(int descriptor, Door door = Door::local);

  // Stops listening, ends all connections. The handler is not called after that.
  void close();

  std::size_t connections() const noexcept;
  std::string tcp_address() const;  // as bound, "" = none

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert::control
