#include "dns/upstream_tls.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <climits>
#include <cstring>
#include <ctime>
#include <optional>
#include <stdexcept>
#include <utility>

namespace culvert::dns {
namespace {

SSL* ssl_of(void* ssl) {
  return static_cast<SSL*>(ssl);
}
BIO* bio_of(void* bio) {
  return static_cast<BIO*>(bio);
}

std::string decode_pin(const std::string& base64) {
  std::array<unsigned char, 48> out{};
  const int n = EVP_DecodeBlock(out.data(), reinterpret_cast<const unsigned char*>(base64.data()),
                                int(base64.size()));
  if (n < 32) return {};
  return {reinterpret_cast<const char*>(out.data()), 32};  // what is behind is padding
}

// SHA-256 of the SubjectPublicKeyInfo.
std::optional<std::string> pin_of(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) return {};
  std::array<unsigned char, 32> digest;
  const int done =
      EVP_Digest(der, std::size_t(size), digest.data(), nullptr, EVP_sha256(), nullptr);
  OPENSSL_free(der);
  if (done != 1) return {};
  return std::string(reinterpret_cast<const char*>(digest.data()), digest.size());
}

}  // namespace

struct TlsCallbacks {
  static TlsSession* session(SSL* ssl) { return static_cast<TlsSession*>(SSL_get_app_data(ssl)); }

  // With a pin it is the server's own key that counts, and nothing else (RFC 7858 section 4.2): a
  // pinned key further up an unchecked chain would prove nothing.
  static int verify(X509_STORE_CTX* store, void*) {
    auto* ssl =
        static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    const TlsPeer& peer = session(ssl)->peer_;
    if (peer.pin_.empty()) return X509_verify_cert(store);
    X509* const leaf = X509_STORE_CTX_get0_cert(store);
    const auto pin = leaf != nullptr ? pin_of(leaf) : std::nullopt;
    const bool good = pin && *pin == peer.pin_;
    X509_STORE_CTX_set_error(store, good ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
    return good ? 1 : 0;
  }

  // Keeps the newest; 1 = the session is ours now.
  static int keep(SSL* ssl, SSL_SESSION* resumable) {
    TlsPeer& peer = session(ssl)->peer_;
    SSL_SESSION_free(static_cast<SSL_SESSION*>(peer.resume_));
    peer.resume_ = resumable;
    return 1;
  }
};

TlsContext::TlsContext(const TrustStore* trust) {
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  if (context == nullptr) throw std::runtime_error("TLS cannot be set up");
  context_ = context;
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // Buffers of connections that have nothing to do are given back.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(context, &TlsCallbacks::verify, nullptr);
  if (trust != nullptr) set_trust(*trust);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, &TlsCallbacks::keep);
  // The first use of these loads what the sandbox would refuse. Dates of certificates are compared
  // by way of gmtime(), which reads the time zone's file once.
  ::tzset();
  SSL_free(SSL_new(context));
  ERR_load_crypto_strings();
}

void TlsContext::set_trust(const TrustStore& trust) noexcept {
  SSL_CTX_set1_cert_store(static_cast<SSL_CTX*>(context_),
                          static_cast<X509_STORE*>(trust.native()));
  trusts_ = true;
}

TlsContext::~TlsContext() {
  SSL_CTX_free(static_cast<SSL_CTX*>(context_));
}

TlsPeer::TlsPeer(TlsContext& context, const UpstreamAddress& address)
    : context_(context), name_(address.name.empty() ? address.host : address.name) {
  is_address_ = base::IpAddress::parse(name_).has_value();
  if (!is_address_) server_name_ = name_;
  if (!address.pin.empty()) pin_ = decode_pin(address.pin);
  alpn_ = address.kind == UpstreamAddress::Kind::https ? "\x02h2"
                                                       : "\x03"
                                                         "dot";
}

TlsPeer::~TlsPeer() {
  forget_session();
}

void TlsPeer::forget_session() noexcept {
  SSL_SESSION_free(static_cast<SSL_SESSION*>(std::exchange(resume_, nullptr)));
}

TlsSession::TlsSession(TlsPeer& peer) noexcept : peer_(peer) {
  SSL* const ssl = SSL_new(static_cast<SSL_CTX*>(peer.context_.native()));
  ssl_ = ssl;
  if (ssl == nullptr) return;
  in_ = BIO_new(BIO_s_mem()), out_ = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl, bio_of(in_), bio_of(out_));
  SSL_set_app_data(ssl, this);
  SSL_set_connect_state(ssl);
}

TlsSession::~TlsSession() {
  SSL_free(ssl_of(ssl_));
}

bool TlsSession::start(std::vector<std::byte>& out) noexcept {
  SSL* const ssl = ssl_of(ssl_);
  if (ssl == nullptr || in_ == nullptr || out_ == nullptr) return false;
  X509_VERIFY_PARAM* const check = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(check, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const bool named = peer_.is_address_
                         ? X509_VERIFY_PARAM_set1_ip_asc(check, peer_.name_.c_str()) == 1
                         : X509_VERIFY_PARAM_set1_host(check, peer_.name_.c_str(), 0) == 1;
  if (!named) return false;
  if (!peer_.server_name_.empty() && SSL_set_tlsext_host_name(ssl, peer_.server_name_.c_str()) != 1)
    return false;
  SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(peer_.alpn_.data()),
                      unsigned(peer_.alpn_.size()));
  if (peer_.resume_ != nullptr) SSL_set_session(ssl, static_cast<SSL_SESSION*>(peer_.resume_));
  return advance() && move_out(out);
}

bool TlsSession::advance() noexcept {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_of(ssl_));
  if (done != 1) {
    const int error = SSL_get_error(ssl_of(ssl_), done);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return true;
    // It may have been for the session that we wanted to resume.
    peer_.forget_session();
    return explain(), false;
  }
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_of(ssl_), &chosen, &size);
  // HTTP needs to know its version; a DoT server may know nothing of ALPN.
  if (peer_.alpn_ == "\x02h2" && (size != 2 || std::memcmp(chosen, "h2", 2) != 0))
    return why_ = "expected HTTP/2 by ALPN", false;
  open_ = true;
  return true;
}

bool TlsSession::take(base::Bytes in, std::vector<std::byte>& out) noexcept {
  if (BIO_write(bio_of(in_), in.data(), int(in.size())) != int(in.size())) return false;
  const bool good = open_ || advance();
  return move_out(out) && good;
}

bool TlsSession::write(base::Bytes plain, std::vector<std::byte>& out) noexcept {
  ERR_clear_error();
  while (!plain.empty()) {
    const int size = int(std::min<std::size_t>(plain.size(), INT_MAX));
    const int n = SSL_write(ssl_of(ssl_), plain.data(), size);
    if (n <= 0) return explain(), false;
    plain = plain.subspan(std::size_t(n));
  }
  return move_out(out);
}

int TlsSession::read(base::MutableBytes plain) noexcept {
  ERR_clear_error();
  const int n = SSL_read(ssl_of(ssl_), plain.data(), int(plain.size()));
  if (n > 0) return n;
  const int error = SSL_get_error(ssl_of(ssl_), n);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return 0;
  return explain(), -1;
}

void TlsSession::shut_down(std::vector<std::byte>& out) noexcept {
  ERR_clear_error();
  SSL_shutdown(ssl_of(ssl_));
  move_out(out);
}

bool TlsSession::resumed() const noexcept {
  return SSL_session_reused(ssl_of(ssl_)) == 1;
}

bool TlsSession::move_out(std::vector<std::byte>& out) noexcept {
  const std::size_t size = BIO_ctrl_pending(bio_of(out_));
  if (size == 0) return true;
  const std::size_t begin = out.size();
  out.resize(begin + size);
  return BIO_read(bio_of(out_), out.data() + begin, int(size)) == int(size);
}

void TlsSession::explain() noexcept {
  const long verified = SSL_get_verify_result(ssl_of(ssl_));
  const char* reason = verified != X509_V_OK ? X509_verify_cert_error_string(verified)
                                             : ERR_reason_error_string(ERR_peek_error());
  why_ = reason != nullptr ? reason : "the server closed the connection";
  ERR_clear_error();
}

}  // namespace culvert::dns
