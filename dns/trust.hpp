// TrustStore: the certificate authorities that TLS upstreams are checked against. Where one is made
// before the workers are forked they share it; one that runs makes its own from the text, since it
// may open no file.
#pragma once

#include <cstddef>
#include <string>

namespace culvert::dns {

class TrustStore {
 public:
  // The text of the system's, in PEM, and `extra` behind it. Without any of the system's that has
  // to do. Throws std::runtime_error.
  static std::string authorities(const std::string& extra = {});
  // All that `pem` has. Throws std::runtime_error if it has none.
  explicit TrustStore(const std::string& pem = authorities());
  ~TrustStore();
  TrustStore(const TrustStore&) = delete;
  TrustStore& operator=(const TrustStore&) = delete;

  static std::size_t certificates_in(const std::string& pem);

  void* native() const noexcept { return store_; }  // X509_STORE; for upstream_tls.cpp

 private:
  void* store_ = nullptr;
};

}  // namespace culvert::dns
