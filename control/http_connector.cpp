#include "control/http_connector.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>

namespace culvert::control {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;

// Loading the system's certificates takes some 10 ms; a file that was renewed is seen after this.
constexpr auto context_life = std::chrono::minutes(1);

asio::ip::tcp::endpoint endpoint_of(const base::IpAddress& address, std::uint16_t port) {
  asio::ip::tcp::endpoint endpoint;
  sockaddr_storage raw{};
  const socklen_t length = base::Endpoint{address, port}.to_sockaddr(raw);
  std::memcpy(endpoint.data(), &raw, length);
  endpoint.resize(length);
  return endpoint;
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
std::string handshake_failure(HttpConnector::Secured& stream, error_code error) {
  const long verdict = ::SSL_get_verify_result(stream.native_handle());
  if (error == beast::error::timeout || verdict == X509_V_OK)
    return HttpConnector::words("TLS", error);
  return std::string("TLS: certificate: ") + ::X509_verify_cert_error_string(verdict);
}

}  // namespace

std::string HttpConnector::words(const std::string& what, error_code error) {
  return what + ": " + (error == beast::error::timeout ? "timed out" : error.message());
}

std::shared_ptr<asio::ssl::context> HttpConnector::context(const std::string& ca_file) {
  Cached& cached = contexts_[ca_file];
  const auto now = Clock::now();
  if (cached.context && now - cached.loaded < context_life) return cached.context;
  cached.context = make_context(ca_file);
  cached.loaded = now;
  return cached.context;
}

// One address after the other, each with an equal share of the time that is left.
asio::awaitable<std::string> HttpConnector::connect(Plain& stream, const Url& url,
                                                    Clock::time_point until) {
  const NameLookup::Result found = co_await names_.find(url.host, until);
  if (!found.error.empty()) co_return found.error;
  const auto& addresses = found.addresses;
  std::string why = "no address";
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    error_code error;
    const auto endpoint = endpoint_of(addresses[i], url.port);
    const auto left = until - Clock::now();
    stream.expires_after(left / int(addresses.size() - i));
    co_await stream.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, error));
    if (!error) co_return std::string();
    why = words("connect to " + base::Endpoint{addresses[i], url.port}.to_string(), error);
    stream.close();
  }
  co_return why;
}

asio::awaitable<std::string> HttpConnector::secure(Secured& stream, const Url& url,
                                                   Clock::time_point until) {
  stream.set_verify_callback(asio::ssl::host_name_verification(url.host));
  if (!base::IpAddress::parse(url.host))
    ::SSL_set_tlsext_host_name(stream.native_handle(), url.host.c_str());
  beast::get_lowest_layer(stream).expires_at(until);
  error_code error;
  co_await stream.async_handshake(asio::ssl::stream_base::client,
                                  asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return handshake_failure(stream, error);
  co_return std::string();
}

}  // namespace culvert::control
