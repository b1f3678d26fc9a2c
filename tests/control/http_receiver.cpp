#include "tests/control/http_receiver.hpp"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstdio>

namespace culvert::control {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

struct HttpReceiver::State {
  explicit State(asio::io_context& on)
      : io(on), listener(on, {asio::ip::address_v4::loopback(), 0}) {}

  asio::io_context& io;
  tcp::acceptor listener;
  Answer answer;
  std::unique_ptr<asio::ssl::context> tls;
  std::vector<std::string> requests;
};

namespace {

std::size_t body_length(const std::string& head) {
  const auto at = head.find("Content-Length: ");
  return at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
}

}  // namespace

template <class Stream, class State>
asio::awaitable<void> serve_one(Stream stream, std::shared_ptr<State> state) {
  std::string text;
  error_code error;
  if constexpr (requires { stream.handshake(asio::ssl::stream_base::server); }) {
    co_await stream.async_handshake(asio::ssl::stream_base::server,
                                    asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
  }
  auto buffer = asio::dynamic_buffer(text);
  const std::size_t head = co_await asio::async_read_until(
      stream, buffer, "\r\n\r\n", asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return;
  const std::size_t size = head + body_length(text.substr(0, head));
  char more[4096];
  while (text.size() < size) {
    const auto room = asio::buffer(more);
    const std::size_t n =
        co_await stream.async_read_some(room, asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    text.append(more, n);
  }
  state->requests.push_back(text);
  const std::string answer = state->answer(text);
  const auto bytes = asio::buffer(answer);
  co_await asio::async_write(stream, bytes, asio::redirect_error(asio::use_awaitable, error));
  if (answer.empty())  // silent: until the other side has enough
    co_await stream.async_read_some(asio::buffer(more),
                                    asio::redirect_error(asio::use_awaitable, error));
}

template <class State>
asio::awaitable<void> serve_all(std::shared_ptr<State> state) {
  while (true) {
    error_code error;
    tcp::socket socket =
        co_await state->listener.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    if (state->tls)
      asio::co_spawn(
          state->io,
          serve_one(asio::ssl::stream<tcp::socket>(std::move(socket), *state->tls), state),
          asio::detached);
    else
      asio::co_spawn(state->io, serve_one(std::move(socket), state), asio::detached);
  }
}

HttpReceiver::HttpReceiver(asio::io_context& io, Answer answer)
    : state_(std::make_shared<State>(io)) {
  state_->answer = std::move(answer);
  asio::co_spawn(io, serve_all(state_), asio::detached);
}

HttpReceiver::~HttpReceiver() {
  error_code ignored;
  state_->listener.close(ignored);
}

void HttpReceiver::secure(const std::string& name, const std::filesystem::path& certificate) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* made = X509_new();
  X509_set_version(made, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
  X509_gmtime_adj(X509_getm_notBefore(made), -60);
  X509_gmtime_adj(X509_getm_notAfter(made), 3600);
  X509_NAME* subject = X509_get_subject_name(made);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(made, subject);
  X509_set_pubkey(made, key);
  X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, name.c_str());
  X509_add_ext(made, names, -1);
  X509_EXTENSION_free(names);
  X509_sign(made, key, EVP_sha256());
  if (std::FILE* file = std::fopen(certificate.c_str(), "w")) {
    PEM_write_X509(file, made);
    std::fclose(file);
  }
  state_->tls = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
  SSL_CTX_use_certificate(state_->tls->native_handle(), made);
  SSL_CTX_use_PrivateKey(state_->tls->native_handle(), key);
  X509_free(made);
  EVP_PKEY_free(key);
}

std::string HttpReceiver::url(const std::string& host) const {
  return (state_->tls ? "https://" : "http://") + host + ":" +
         std::to_string(state_->listener.local_endpoint().port()) + "/hook";
}

const std::vector<std::string>& HttpReceiver::requests() const {
  return state_->requests;
}

std::string http_answer(int status, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace culvert::control
