#include "dns/trust.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

namespace culvert::dns {
namespace {

// Where distributions keep the bundle: Debian, Fedora, openSUSE, Alpine and the BSDs.
constexpr const char* bundles[] = {"/etc/ssl/certs/ca-certificates.crt",
                                   "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
                                   "/etc/ssl/cert.pem"};

std::string system_bundle() {  // "" = there is none
  // What OpenSSL's own tools go by.
  if (const char* chosen = std::getenv("SSL_CERT_FILE"); chosen != nullptr && *chosen != '\0')
    return chosen;
  for (const char* path : bundles)
    if (::access(path, R_OK) == 0) return path;
  return {};
}

void load(X509_STORE* store, const std::string& path) {
  ERR_clear_error();
  if (X509_STORE_load_file(store, path.c_str()) == 1) return;
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  throw std::runtime_error(path + ": expected certificates in PEM" +
                           (reason != nullptr ? std::string(": ") + reason : ""));
}

template <class Take>
void for_each_certificate(const std::string& pem, Take take) {
  BIO* const in = BIO_new_mem_buf(pem.data(), int(pem.size()));
  if (in == nullptr) throw std::runtime_error("no memory for certificate authorities");
  while (X509* const certificate = PEM_read_bio_X509(in, nullptr, nullptr, nullptr)) {
    take(certificate);
    X509_free(certificate);
  }
  BIO_free(in);
  ERR_clear_error();
}

void load_all(X509_STORE* store, const std::string& extra) {
  const std::string system = system_bundle();
  if (system.empty() && extra.empty())
    throw std::runtime_error("no bundle of certificate authorities was found, expected " +
                             std::string(bundles[0]) + " (package ca-certificates)");
  if (!system.empty()) load(store, system);
  for_each_certificate(extra, [&](X509* each) { X509_STORE_add_cert(store, each); });
}

}  // namespace

std::size_t TrustStore::certificates_in(const std::string& pem) {
  std::size_t count = 0;
  for_each_certificate(pem, [&](X509*) { ++count; });
  return count;
}

TrustStore::TrustStore(const std::string& extra) {
  OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, nullptr);
  X509_STORE* const store = X509_STORE_new();
  if (store == nullptr) throw std::runtime_error("no memory for certificate authorities");
  store_ = store;
  try {
    load_all(store, extra);
  } catch (...) {
    X509_STORE_free(store);
    throw;
  }
}

TrustStore::~TrustStore() {
  X509_STORE_free(static_cast<X509_STORE*>(store_));
}

}  // namespace culvert::dns
