#include "dns/trust.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
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

// More than any distribution's.
constexpr std::size_t largest_bundle = 16 << 20;

std::string read_bundle(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(largest_bundle, '\0');
  file.read(text.data(), std::streamsize(text.size()));
  text.resize(std::size_t(std::max<std::streamsize>(file.gcount(), 0)));
  if (TrustStore::certificates_in(text) == 0)
    throw std::runtime_error(path + ": expected certificates in PEM");
  return text;
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

}  // namespace

std::size_t TrustStore::certificates_in(const std::string& pem) {
  std::size_t count = 0;
  for_each_certificate(pem, [&](X509*) { ++count; });
  return count;
}

std::string TrustStore::authorities(const std::string& extra) {
  const std::string system = system_bundle();
  if (system.empty() && extra.empty())
    throw std::runtime_error("no bundle of certificate authorities was found, expected " +
                             std::string(bundles[0]) + " (package ca-certificates)");
  return (system.empty() ? std::string() : read_bundle(system) + "\n") + extra;
}

TrustStore::TrustStore(const std::string& pem) {
  OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, nullptr);
  X509_STORE* const store = X509_STORE_new();
  if (store == nullptr) throw std::runtime_error("no memory for certificate authorities");
  store_ = store;
  std::size_t count = 0;
  try {
    for_each_certificate(pem, [&](X509* each) { X509_STORE_add_cert(store, each), ++count; });
  } catch (...) {
    X509_STORE_free(store);
    throw;
  }
  if (count != 0) return;
  X509_STORE_free(store);
  throw std::runtime_error("certificate authorities: expected certificates in PEM");
}

TrustStore::~TrustStore() {
  X509_STORE_free(static_cast<X509_STORE*>(store_));
}

}  // namespace culvert::dns
