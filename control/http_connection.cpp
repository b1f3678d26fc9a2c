#include "control/http_connection.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>

#include "base/log.hpp"
#include "control/http_message.hpp"

namespace culvert::control {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr std::size_t written_at_once = 64 << 10;
constexpr std::size_t read_at_once = 64 << 10;

asio::generic::stream_protocol protocol_of(int descriptor) {
  int domain = AF_UNIX;
  socklen_t length = sizeof domain;
  ::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &length);
  return {domain, 0};
}

}  // namespace

HttpConnection::HttpConnection(asio::io_context& io, int descriptor, Door door,
                               base::IpAddress from, HttpHandler& handler, Owner& owner,
                               const HttpBounds& bounds)
    : socket_(io, protocol_of(descriptor), descriptor),
      deadline_(io),
      wake_(io),
      door_(door),
      from_(from),
      handler_(handler),
      owner_(&owner),
      bounds_(bounds),
      buffer_(bounds.header + read_at_once),
      since_(base::BootClock::now()) {}

void HttpConnection::start() {
  auto self = shared_from_this();
  asio::co_spawn(socket_.get_executor(), run(),
                 [self](const std::exception_ptr&) { self->close(); });
}

void HttpConnection::start_refusing(Response answer) {
  refusal_ = std::move(answer);
  start();
}

void HttpConnection::close() {
  Error ignored;
  disarm();
  wake_.cancel();
  socket_.close(ignored);
  enter(State::ended);
  if (Owner* owner = std::exchange(owner_, nullptr)) owner->on_end(*this);
}

void HttpConnection::enter(State state) noexcept {
  state_ = state;
  since_ = base::BootClock::now();
}

// Until disarm(): what is read or written on the socket is broken off after that time.
void HttpConnection::arm(std::chrono::milliseconds patience) {
  late_ = false;
  const std::uint64_t mine = ++armed_;
  deadline_.expires_after(patience);
  deadline_.async_wait([weak = weak_from_this(), mine](Error) {
    const auto self = weak.lock();
    if (!self || self->armed_ != mine) return;
    self->late_ = true;
    Error ignored;
    self->socket_.cancel(ignored);
  });
}

void HttpConnection::disarm() {
  ++armed_;
  deadline_.cancel();
}

asio::awaitable<void> HttpConnection::run() {
  bool more = true;
  while (more && socket_.is_open()) more = co_await serve_one();
}

asio::awaitable<bool> HttpConnection::serve_one() {
  Parser parser;
  const bool has_head = co_await read_head(parser);
  if (!has_head || owner_ == nullptr) co_return false;
  Request request = request_of(parser);
  std::optional<Response> refused = std::move(refusal_);
  if (!refused) refused = wrong_head(parser, request);
  if (!refused) refused = handler_.refuse(request);
  if (refused) {
    // The head is all there is: the connection may go on.
    Response response = std::move(*refused);
    if (request.has_body()) co_return co_await refuse(std::move(response));
    const bool goes_on = response.status != 501 && parser.keep_alive();
    co_return co_await answer(std::move(response), request.method == "HEAD", goes_on);
  }
  const bool has_body = co_await read_body(parser, request);
  if (!has_body || owner_ == nullptr) co_return false;

  disarm();
  enter(State::serving);
  const bool head_only = request.method == "HEAD", keep_alive = parser.keep_alive();
  Response response;
  try {
    response = co_await handler_.handle(std::move(request));
  } catch (const std::exception& error) {
    base::log::error("an API request failed: {}", error.what());
    response = handler_.problem(500, "Internal error", "the server's log says more");
  }
  if (owner_ == nullptr) co_return false;  // closed meanwhile
  co_return co_await answer(std::move(response), head_only, keep_alive);
}

asio::awaitable<bool> HttpConnection::read_head(Parser& parser) {
  Error error;
  if (buffer_.size() == 0) {
    enter(State::idle);
    arm(bounds_.idle);
    co_await socket_.async_wait(asio::socket_base::wait_read,
                                asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      close();
      co_return false;
    }
  }
  enter(State::reading);
  arm(bounds_.request);
  parser.header_limit(std::uint32_t(bounds_.header));
  parser.body_limit(bounds_.body);
  co_await http::async_read_header(socket_, buffer_, parser,
                                   asio::redirect_error(asio::use_awaitable, error));
  if (!error) co_return true;
  Response response = wrong_bytes(parser, error);
  if (response.status == 0) {
    close();
    co_return false;
  }
  co_return co_await refuse(std::move(response));
}

asio::awaitable<bool> HttpConnection::read_body(Parser& parser, Request& request) {
  if (!request.header("Expect").empty() && !parser.is_done()) {
    const bool written = co_await write("HTTP/1.1 100 Continue\r\n\r\n");
    if (!written) co_return false;
    arm(bounds_.request);
  }
  Error error;
  co_await http::async_read(socket_, buffer_, parser,
                            asio::redirect_error(asio::use_awaitable, error));
  if (!error) {
    request.body = std::move(parser.get().body());
    co_return true;
  }
  Response response = wrong_bytes(parser, error);
  if (response.status == 0) {
    close();
    co_return false;
  }
  co_return co_await refuse(std::move(response));
}

// Status 0: there is nobody to answer to.
Response HttpConnection::wrong_bytes(const Parser& parser, Error error) const {
  Response none;
  none.status = 0;
  if (owner_ == nullptr) return none;
  if (late_)
    return handler_.problem(
        408, "Request timeout",
        fmt::format("a request must be complete within {} ms", bounds_.request.count()));
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    if (parser.get().target().empty())  // not even the request line has come
      return handler_.problem(414, "Target too long", too_long_text(bounds_));
    return handler_.problem(
        431, "Header too large",
        fmt::format("the request line and all fields have at most {} bytes", bounds_.header));
  }
  if (error == http::error::body_limit)
    return handler_.problem(413, "Body too large",
                            fmt::format("a body has at most {} bytes", bounds_.body));
  if (error == http::error::bad_version)
    return handler_.problem(505, "Version not supported", "expected HTTP/1.1 or HTTP/1.0");
  const bool theirs = error.category() == make_error_code(http::error::bad_method).category() &&
                      error != http::error::end_of_stream && error != http::error::partial_message;
  if (theirs) return handler_.problem(400, "Malformed request", error.message());
  return none;
}

Request HttpConnection::request_of(const Parser& parser) const {
  const auto& message = parser.get();
  Request request;
  request.method = std::string(message.method_string());
  split_target(message.target(), request);
  for (const auto& field : message)
    request.fields.emplace_back(std::string(field.name_string()), std::string(field.value()));
  if (const auto length = parser.content_length()) request.content_length = *length;
  request.chunked = parser.chunked();
  request.door = door_;
  request.from = from_;
  return request;
}

std::optional<Response> HttpConnection::wrong_head(const Parser& parser,
                                                   const Request& request) const {
  const auto& message = parser.get();
  if (message.target().size() > bounds_.target)
    return handler_.problem(414, "Target too long", too_long_text(bounds_));
  if (request.path.empty())
    return handler_.problem(400, "Malformed request", "expected a path that begins with '/'");
  if (message.version() != 11 && message.version() != 10)
    return handler_.problem(505, "Version not supported", "expected HTTP/1.1 or HTTP/1.0");
  const auto hosts = message.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && message.version() == 11))
    return handler_.problem(400, "Malformed request", "expected the field Host once");
  if (const auto coding = request.header("Transfer-Encoding");
      !coding.empty() && !boost::beast::iequals(coding, "chunked"))
    return handler_.problem(501, "Transfer coding not supported", "expected chunked or none");
  if (const auto expect = request.header("Expect");
      !expect.empty() && !boost::beast::iequals(expect, "100-continue"))
    return handler_.problem(417, "Expectation failed", "expected 100-continue or none");
  return std::nullopt;
}

asio::awaitable<bool> HttpConnection::answer(Response response, bool head_only, bool keep_alive) {
  std::shared_ptr<BodyStream> body = head_only ? nullptr : std::move(response.stream);
  if (body && !owner_->may_stream(door_)) {
    body = nullptr;
    response = handler_.problem(503, "Too many listeners",
                                fmt::format("there are {} already", bounds_.streams));
  }
  enter(body ? State::streaming : State::serving);
  const std::string bytes = response_text(response, head_only, keep_alive, body != nullptr);
  bool good = co_await write(bytes);
  if (good && body) good = co_await stream(std::move(body));
  if (good && keep_alive) co_return true;
  if (good) co_await linger();
  close();
  co_return false;
}

asio::awaitable<bool> HttpConnection::stream(std::shared_ptr<BodyStream> body) {
  // It says nothing more: readable means that it has gone.
  socket_.async_wait(asio::socket_base::wait_read, [weak = std::weak_ptr(body)](Error) {
    if (const auto held = weak.lock()) held->close();
  });
  body->on_change([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->wake_.cancel();
  });
  bool good = true;
  while (good && !body->closed()) {
    if (const std::optional<std::string> chunk = body->take()) {
      good = co_await write(*chunk);
      continue;
    }
    Error woken;
    wake_.expires_after(bounds_.heartbeat);
    co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    if (!woken) good = co_await write(": heartbeat\n\n");
  }
  body->on_change({});
  co_return false;
}

asio::awaitable<bool> HttpConnection::refuse(Response response) {
  enter(State::serving);
  const std::string bytes = response_text(response, false, false, false);
  const bool good = co_await write(bytes);
  if (good) co_await linger();
  close();
  co_return false;
}

asio::awaitable<bool> HttpConnection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, written_at_once);
    bytes.remove_prefix(part.size());
    Error error;
    arm(bounds_.write);
    co_await asio::async_write(socket_, asio::buffer(part),
                               asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      close();
      co_return false;
    }
  }
  disarm();
  co_return true;
}

// A socket that is closed with unread bytes in it resets the connection, and with it the answer
// that is still on its way (RFC 9112 section 9.6).
asio::awaitable<void> HttpConnection::linger() {
  Error error;
  socket_.shutdown(asio::socket_base::shutdown_send, error);
  arm(bounds_.linger);
  buffer_.clear();
  std::size_t total = 0;
  while (!error && total <= bounds_.body) {
    const auto room = buffer_.prepare(read_at_once);
    total +=
        co_await socket_.async_read_some(room, asio::redirect_error(asio::use_awaitable, error));
  }
  disarm();
}

}  // namespace culvert::control
