#include "control/outgoing_http.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <stdexcept>

#include "control/http_connector.hpp"
#include "control/outgoing_download.hpp"

namespace culvert::control {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

constexpr std::size_t max_header = 16 * 1024;

HttpReply failure(std::string error) {
  return {.status = 0, .body = {}, .error = std::move(error)};
}

http::request<http::string_body> build(const HttpRequest& request, const Url& url) {
  http::request<http::string_body> message(http::verb::post, url.target, 11);
  message.set(http::field::host, url.authority());
  message.set(http::field::user_agent, "culvert");
  message.set(http::field::content_type, "application/json");
  message.set(http::field::connection, "close");
  for (const auto& [name, value] : request.headers) message.set(name, value);
  message.body() = request.body;
  message.prepare_payload();
  return message;
}

struct Post {
  const HttpRequest& request;
  const Url& url;
  HttpReply& reply;

  template <class Stream>
  asio::awaitable<std::string> operator()(Stream& stream) {
    const auto message = build(request, url);
    error_code error;
    co_await http::async_write(stream, message, asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return HttpConnector::words("send", error);
    beast::flat_buffer buffer(max_header + OutgoingHttp::max_body);
    http::response_parser<http::string_body> parser;
    parser.header_limit(max_header);
    parser.body_limit(OutgoingHttp::max_body);
    co_await http::async_read(stream, buffer, parser,
                              asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return HttpConnector::words("receive", error);
    reply.status = int(parser.get().result_int());
    reply.body = std::move(parser.get().body());
    co_return std::string();
  }
};

}  // namespace

struct OutgoingHttp::State {
  explicit State(asio::any_io_executor executor) : connector(std::move(executor)) {}
  HttpConnector connector;
};

OutgoingHttp::OutgoingHttp(asio::any_io_executor executor)
    : state_(std::make_unique<State>(std::move(executor))) {}

OutgoingHttp::~OutgoingHttp() = default;

asio::awaitable<HttpReply> OutgoingHttp::post(HttpRequest request) {
  const auto url = Url::parse(request.url);
  if (!url) co_return failure("not a URL of http or https");
  HttpReply reply;
  std::string why;
  try {
    const auto until = HttpConnector::Clock::now() + request.timeout;
    Post talk{request, *url, reply};
    why = co_await state_->connector.talk(*url, request.ca_file, until, talk);
  } catch (const std::exception& error) {
    why = error.what();
  }
  if (!why.empty()) reply = failure(why);
  co_return reply;
}

asio::awaitable<DownloadReply> OutgoingHttp::download(DownloadRequest request) {
  DownloadReply reply = co_await control::download(state_->connector, std::move(request));
  co_return reply;
}

}  // namespace culvert::control
