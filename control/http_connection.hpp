// HttpConnection: one client of the HTTP server, from its first request to its last.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "control/http.hpp"
#include "control/http_server.hpp"

namespace culvert::control {

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  enum class State : std::uint8_t { idle, reading, serving, streaming, ended };

  // Who has it. Not called any more after close().
  struct Owner {
    virtual ~Owner() = default;
    virtual bool may_stream(Door door) const = 0;
    virtual void on_end(HttpConnection& connection) = 0;
  };

  HttpConnection(boost::asio::io_context& io, int descriptor, Door door, base::IpAddress from,
                 HttpHandler& handler, Owner& owner, const HttpBounds& bounds);

  void start();
  // Answers one request with this problem, whatever it is.
  void start_refusing(Response answer);
  void close();

  Door door() const noexcept { return door_; }
  State state() const noexcept { return state_; }
  base::Time since() const noexcept { return since_; }  // in this state

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  template <class T>
  using Task = boost::asio::awaitable<T>;
  using Error = boost::system::error_code;

  Task<void> run();
  Task<bool> serve_one();  // false: no more on this connection
  Task<bool> read_head(Parser& parser);
  Task<bool> read_body(Parser& parser, Request& request);
  Task<bool> answer(Response response, bool head_only, bool keep_alive);
  Task<bool> stream(std::shared_ptr<BodyStream> body);
  Task<bool> refuse(Response response);  // and read no more
  Task<bool> write(std::string_view bytes);
  Task<void> linger();

  std::optional<Response> wrong_head(const Parser& parser, const Request& request) const;
  Response wrong_bytes(const Parser& parser, Error error) const;
  Request request_of(const Parser& parser) const;
  void enter(State state) noexcept;
  void arm(std::chrono::milliseconds patience);
  void disarm();

  boost::asio::generic::stream_protocol::socket socket_;
  boost::asio::steady_timer deadline_, wake_;
  std::uint64_t armed_ = 0;
  bool late_ = false;
  Door door_;
  base::IpAddress from_;
  HttpHandler& handler_;
  Owner* owner_;
  HttpBounds bounds_;
  std::optional<Response> refusal_;
  boost::beast::flat_buffer buffer_;
  State state_ = State::idle;
  base::Time since_;
};

}  // namespace culvert::control
