// What an HTTP request and its answer are to who handles them: the server (http_server) reads and
// writes them within its bounds, the API (api) answers them.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ip.hpp"

namespace culvert::control {

// Where a request came in: over the Unix socket, whose peer is known to be us or root, or over TCP.
enum class Door : std::uint8_t { local, tcp };

using HeaderFields = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;  // "GET"
  std::string path;    // as it came, percent-encoded, without the query
  std::string query;   // as it came, without '?'
  HeaderFields fields;
  std::string body;
  // Of the body: how long it says it is, or that it comes in chunks.
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  Door door = Door::local;
  base::IpAddress from;  // over TCP

  // The first field of that name, in any case; "" if there is none.
  std::string_view header(std::string_view name) const noexcept;
  bool has_body() const noexcept { return chunked || content_length.value_or(0) > 0; }
};

// An answer that goes on: who makes it pushes, the connection takes. A reader too slow for the
// bound is dropped; what it misses it can ask for again.
class BodyStream {
 public:
  static constexpr std::size_t bound = 256 << 10;

  // False if it is over; a chunk that does not fit ends it.
  bool push(std::string chunk);
  void close();
  bool closed() const noexcept { return closed_; }

  // For the connection.
  std::optional<std::string> take();
  void on_change(std::function<void()> wake) { wake_ = std::move(wake); }
  void hold(std::shared_ptr<void> source) { source_ = std::move(source); }  // until it is over

 private:
  std::deque<std::string> chunks_;
  std::size_t waiting_ = 0;
  bool closed_ = false;
  std::function<void()> wake_;
  std::shared_ptr<void> source_;
};

struct Response {
  int status = 200;
  std::string content_type;  // "" = no body
  std::string body;
  HeaderFields fields;                 // besides Content-Type, Content-Length, Connection
  std::shared_ptr<BodyStream> stream;  // after `body`; then the connection closes
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Before the body is read: the answer, if the head alone says that it is refused.
  virtual std::optional<Response> refuse(const Request& head) = 0;
  virtual boost::asio::awaitable<Response> handle(Request request) = 0;
  // What the server itself refuses: 400, 408, 413, 414, 431, 503, ...
  virtual Response problem(int status, std::string title, std::string detail) = 0;
};

}  // namespace culvert::control
