// DNS over HTTPS (RFC 8484): POST over HTTP/2, each question a stream of its own. Only an answer
// with status 200 and the right media type is one; its TTLs are lowered by its Age. nghttp2 is
// named in upstream_https.cpp only.
#pragma once

#include <memory>
#include <unordered_map>

#include "dns/upstream_carrier.hpp"

namespace culvert::dns {

class HttpsCarrier final : public Carrier {
 public:
  HttpsCarrier(Server& server, Surroundings& around, std::unique_ptr<TlsSession> tls,
               base::Duration idle_timeout);
  ~HttpsCarrier() override;

 private:
  struct Stream;
  struct Session;
  friend struct HttpsCallbacks;

  void opened() noexcept override;
  void send(Exchange& exchange) noexcept override;
  void forgotten(Exchange& exchange) noexcept override;
  void received(base::Bytes bytes) noexcept override;
  void before_flush() noexcept override;
  bool has_ended() const noexcept override { return !ended_.empty(); }
  void tell_ended() noexcept override;

  void submit(Exchange& exchange) noexcept;
  void conclude(Stream& stream) noexcept;

  std::string authority_;
  std::unique_ptr<Session> session_;
  std::unordered_map<std::int32_t, std::unique_ptr<Stream>> streams_;
  std::vector<std::int32_t> ended_;  // not told yet: nghttp2 is busy, or a flush is
};

// Lowers the TTLs of a message by the seconds it has lain in a cache (RFC 8484 section 5.1).
void age_message(base::MutableBytes message, std::uint32_t seconds) noexcept;

}  // namespace culvert::dns
