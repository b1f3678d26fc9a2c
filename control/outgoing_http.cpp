#include "control/outgoing_http.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <map>
#include <stdexcept>

#include "control/name_lookup.hpp"
#include "control/url.hpp"

namespace culvert::control {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using Clock = NameLookup::Clock;
using Plain = beast::tcp_stream;
using Secured = beast::ssl_stream<beast::tcp_stream>;

constexpr std::size_t max_header = 16 * 1024;
// Loading the system's certificates takes some 10 ms; a file that was renewed is seen after this.
constexpr auto context_life = std::chrono::minutes(1);

HttpReply failure(std::string error) {
  return {.status = 0, .body = {}, .error = std::move(error)};
}

HttpReply failure(const std::string& what, error_code error) {
  return failure(what + ": " + (error == beast::error::timeout ? "timed out" : error.message()));
}

asio::ip::tcp::endpoint endpoint_of(const base::IpAddress& address, std::uint16_t port) {
  asio::ip::tcp::endpoint endpoint;
  sockaddr_storage raw{};
  const socklen_t length = base::Endpoint{address, port}.to_sockaddr(raw);
  std::memcpy(endpoint.data(), &raw, length);
  endpoint.resize(length);
  return endpoint;
}

// One address after the other, each with an equal share of the time that is left.
asio::awaitable<std::string> connect(Plain& stream, const std::vector<base::IpAddress>& addresses,
                                     std::uint16_t port, Clock::time_point until) {
  std::string why = "no address";
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    error_code error;
    const auto endpoint = endpoint_of(addresses[i], port);
    const auto left = until - Clock::now();
    stream.expires_after(left / int(addresses.size() - i));
    co_await stream.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, error));
    if (!error) co_return std::string();
    why = failure("connect to " + base::Endpoint{addresses[i], port}.to_string(), error).error;
    stream.close();
  }
  co_return why;
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

template <class Stream>
asio::awaitable<HttpReply> exchange(Stream& stream, const HttpRequest& request, const Url& url) {
  const auto message = build(request, url);
  error_code error;
  co_await http::async_write(stream, message, asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return failure("send", error);
  beast::flat_buffer buffer(max_header + OutgoingHttp::max_body);
  http::response_parser<http::string_body> parser;
  parser.header_limit(max_header);
  parser.body_limit(OutgoingHttp::max_body);
  co_await http::async_read(stream, buffer, parser,
                            asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return failure("receive", error);
  HttpReply reply;
  reply.status = int(parser.get().result_int());
  reply.body = std::move(parser.get().body());
  co_return reply;
}

std::shared_ptr<asio::ssl::context> make_context(const std::string& ca_file) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  ::SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  context->set_verify_mode(asio::ssl::verify_peer);
  if (ca_file.empty())
    context->set_default_verify_paths();
  else
    context->load_verify_file(ca_file);
  return context;
}

// Why OpenSSL did not like the certificate, which its own error does not say.
std::string handshake_failure(Secured& stream, error_code error) {
  const long verdict = ::SSL_get_verify_result(stream.native_handle());
  if (error == beast::error::timeout || verdict == X509_V_OK) return failure("TLS", error).error;
  return std::string("TLS: certificate: ") + ::X509_verify_cert_error_string(verdict);
}

}  // namespace

struct OutgoingHttp::State {
  struct Cached {
    std::shared_ptr<asio::ssl::context> context;
    Clock::time_point loaded;
  };

  std::shared_ptr<asio::ssl::context> context(const std::string& ca_file);
  asio::awaitable<HttpReply> post(const HttpRequest& request, const Url& url,
                                  Clock::time_point until);
  asio::awaitable<HttpReply> post_secured(Plain plain, const HttpRequest& request, const Url& url,
                                          Clock::time_point until);

  asio::any_io_executor executor;
  NameLookup names;
  std::map<std::string, Cached> contexts;
};

std::shared_ptr<asio::ssl::context> OutgoingHttp::State::context(const std::string& ca_file) {
  Cached& cached = contexts[ca_file];
  const auto now = Clock::now();
  if (cached.context && now - cached.loaded < context_life) return cached.context;
  cached.context = make_context(ca_file);
  cached.loaded = now;
  return cached.context;
}

asio::awaitable<HttpReply> OutgoingHttp::State::post(const HttpRequest& request, const Url& url,
                                                     Clock::time_point until) {
  const NameLookup::Result found = co_await names.find(url.host, until);
  if (!found.error.empty()) co_return failure(found.error);
  Plain stream(executor);
  const std::string why = co_await connect(stream, found.addresses, url.port, until);
  if (!why.empty()) co_return failure(why);
  if (url.tls) {
    HttpReply reply = co_await post_secured(std::move(stream), request, url, until);
    co_return reply;
  }
  stream.expires_at(until);
  HttpReply reply = co_await exchange(stream, request, url);
  co_return reply;
}

asio::awaitable<HttpReply> OutgoingHttp::State::post_secured(Plain plain,
                                                             const HttpRequest& request,
                                                             const Url& url,
                                                             Clock::time_point until) {
  const auto trust = context(request.ca_file);
  Secured stream(std::move(plain), *trust);
  stream.set_verify_callback(asio::ssl::host_name_verification(url.host));
  if (!base::IpAddress::parse(url.host))
    ::SSL_set_tlsext_host_name(stream.native_handle(), url.host.c_str());
  beast::get_lowest_layer(stream).expires_at(until);
  error_code error;
  co_await stream.async_handshake(asio::ssl::stream_base::client,
                                  asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return failure(handshake_failure(stream, error));
  HttpReply reply = co_await exchange(stream, request, url);
  co_return reply;
}

OutgoingHttp::OutgoingHttp(asio::any_io_executor executor) : state_(std::make_unique<State>()) {
  state_->executor = std::move(executor);
}

OutgoingHttp::~OutgoingHttp() = default;

asio::awaitable<HttpReply> OutgoingHttp::post(HttpRequest request) {
  const auto url = Url::parse(request.url);
  if (!url) co_return failure("not a URL of http or https");
  HttpReply reply;
  try {
    reply = co_await state_->post(request, *url, Clock::now() + request.timeout);
  } catch (const std::exception& error) {
    reply = failure(error.what());
  }
  co_return reply;
}

}  // namespace culvert::control
