// TrustStore: the certificate authorities that TLS upstreams are checked against. Loaded before the
// workers are forked, since they may open no file; they share it.
#pragma once

#include <cstddef>
#include <string>

namespace culvert::dns {

class TrustStore {
 public:
  // The system's, and what `extra` has in PEM. Without any of the system's that has to do. Throws
  // std::runtime_error.
  explicit TrustStore(const std::string& extra = {});
  ~TrustStore();
  TrustStore(const TrustStore&) = delete;
  TrustStore& operator=(const TrustStore&) = delete;

  static std::size_t certificates_in(const std::string& pem);

  void* native() const noexcept { return store_; }  // X509_STORE; for upstream_tls.cpp

 private:
  void* store_ = nullptr;
};

}  // namespace culvert::dns
