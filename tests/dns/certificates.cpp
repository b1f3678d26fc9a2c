#include "tests/dns/certificates.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "base/ip.hpp"
#include "tests/support/catch.hpp"

namespace culvert::test {
namespace {

X509* make_certificate(EVP_PKEY* key, const std::string& name, X509* issuer, EVP_PKEY* issuer_key,
                       bool expired) {
  static long serial = 1;
  X509* const certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -7200);
  X509_gmtime_adj(X509_getm_notAfter(certificate), expired ? -3600 : 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* const subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate, issuer != nullptr ? X509_get_subject_name(issuer) : subject);
  const bool authority = issuer == nullptr && issuer_key == key && name == "authority";
  const std::string names = (base::IpAddress::parse(name) ? "IP:" : "DNS:") + name;
  const std::pair<int, std::string> extensions[] = {
      {NID_basic_constraints, authority ? "critical,CA:TRUE" : "CA:FALSE"},
      {NID_subject_alt_name, names}};
  for (const auto& [id, value] : extensions) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value.c_str());
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  REQUIRE(X509_sign(certificate, issuer_key, EVP_sha256()) > 0);
  return certificate;
}

std::string pin_text(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  std::array<unsigned char, 32> digest;
  EVP_Digest(der, std::size_t(size), digest.data(), nullptr, EVP_sha256(), nullptr);
  OPENSSL_free(der);
  std::array<unsigned char, 64> text{};
  EVP_EncodeBlock(text.data(), digest.data(), 32);
  return reinterpret_cast<const char*>(text.data());
}

int choose_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                const unsigned char* in, unsigned in_size, void* authority) {
  auto& all = *static_cast<Authority*>(authority);
  all.asked_alpn.assign(reinterpret_cast<const char*>(in), in_size);
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  all.asked_name = name != nullptr ? name : "";
  const auto* mine = static_cast<std::string*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(mine->data()),
                            unsigned(mine->size()), in, in_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

struct Authority::Parts {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = make_certificate(key, "authority", nullptr, key, false);
  std::vector<SSL_CTX*> servers;
  std::vector<std::unique_ptr<std::string>> protocols;
  ~Parts() {
    for (SSL_CTX* server : servers) SSL_CTX_free(server);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
};

Authority::Authority() : parts_(std::make_unique<Parts>()) {
  char path[] = "/tmp/culvert-authority-XXXXXX";
  const int fd = ::mkstemp(path);
  REQUIRE(fd >= 0);
  FILE* const file = ::fdopen(fd, "w");
  PEM_write_X509(file, parts_->certificate);
  std::fclose(file);
  ::setenv("SSL_CERT_FILE", path, 1);
  trust_ = std::make_unique<dns::TrustStore>();
  ::unsetenv("SSL_CERT_FILE");
  ::unlink(path);
}

Authority::~Authority() = default;

void* Authority::server(const Wanted& wanted) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate =
      wanted.self_signed
          ? make_certificate(key, wanted.name, nullptr, key, wanted.expired)
          : make_certificate(key, wanted.name, parts_->certificate, parts_->key, wanted.expired);
  pin_ = pin_text(certificate);
  SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate(context, certificate);
  SSL_CTX_use_PrivateKey(context, key);
  if (wanted.old_version) {
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
  }
  parts_->protocols.push_back(std::make_unique<std::string>(wanted.alpn));
  SSL_CTX_set_app_data(context, parts_->protocols.back().get());
  SSL_CTX_set_alpn_select_cb(context, choose_alpn, this);
  X509_free(certificate);
  EVP_PKEY_free(key);
  parts_->servers.push_back(context);
  return context;
}

}  // namespace culvert::test
