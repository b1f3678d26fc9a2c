// TLS to upstreams (RFC 7858, RFC 8310): version 1.2 at least, ALPN, and the server's certificate
// checked by name against the trust store, or by the pin of its key. Sessions are resumed. Sans
// I/O: ciphertext in, ciphertext out. OpenSSL is named in upstream_tls.cpp and trust.cpp only.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/pieces.hpp"
#include "dns/trust.hpp"
#include "dns/upstreams.hpp"

namespace culvert::dns {

// What all TLS connections share. Made before the sandbox is entered: it loads OpenSSL's parts.
class TlsContext {
 public:
  explicit TlsContext(const TrustStore* trust);  // null: trusts nobody; throws std::runtime_error
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  void set_trust(const TrustStore& trust) noexcept;  // of handshakes from now on
  bool trusts() const noexcept { return trusts_; }   // anybody
  void* native() const noexcept { return context_; }

 private:
  void* context_ = nullptr;
  bool trusts_ = false;
};

// Of one server: whom its certificate must name, and the session to resume.
class TlsPeer {
 public:
  TlsPeer(TlsContext& context, const UpstreamAddress& address);
  ~TlsPeer();
  TlsPeer(const TlsPeer&) = delete;
  TlsPeer& operator=(const TlsPeer&) = delete;
  void forget_session() noexcept;  // the next handshake checks the certificate

 private:
  friend class TlsSession;
  friend struct TlsCallbacks;
  TlsContext& context_;
  std::string name_;  // for the certificate
  bool is_address_ = false;
  std::string server_name_;  // SNI; "" = none
  std::string pin_;          // 32 octets, or none
  std::string alpn_;         // as on the wire
  void* resume_ = nullptr;
};

class TlsSession {
 public:
  explicit TlsSession(TlsPeer& peer) noexcept;
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Ciphertext is appended to `out`. False: it has failed; `out` may hold an alert.
  bool start(std::vector<std::byte>& out) noexcept;
  bool take(base::Bytes in, std::vector<std::byte>& out) noexcept;
  bool write(base::Bytes plain, std::vector<std::byte>& out) noexcept;
  void shut_down(std::vector<std::byte>& out) noexcept;

  int read(base::MutableBytes plain) noexcept;  // 0: none now; -1: closed or failed
  bool is_open() const noexcept { return open_; }
  bool resumed() const noexcept;
  const std::string& why() const noexcept { return why_; }  // it failed

 private:
  friend struct TlsCallbacks;
  bool advance() noexcept;
  bool move_out(std::vector<std::byte>& out) noexcept;
  void explain() noexcept;

  TlsPeer& peer_;
  void* ssl_ = nullptr;
  void* in_ = nullptr;   // BIO
  void* out_ = nullptr;  // BIO
  bool open_ = false;
  std::string why_;
};

}  // namespace culvert::dns
