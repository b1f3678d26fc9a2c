// The two MACs at the end of handshake messages and the cookies behind the second (paper, sections
// 5.3, 5.4.4 and 5.4.7). CookieServer checks what comes in and answers under load; CookieClient
// signs what goes out and keeps the cookie that a peer has answered. load_gate.cpp decides who
// needs one.
#pragma once

#include <optional>

#include "base/ip.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "wg/messages.hpp"

namespace culvert::wg {

// KEY := HASH(label || public key)
Hash32 mac1_key_of(const PublicKey& receiver) noexcept;
Hash32 cookie_key_of(const PublicKey& replier) noexcept;
// tau := MAC(R, A): the cookie of a source address and port.
Mac16 cookie_of(base::Bytes secret, const base::Endpoint& from) noexcept;

class CookieServer {
 public:
  CookieServer(const PrivateKey& private_key, const PublicKey& public_key) noexcept;

  // `message` is a whole initiation or response; its MACs are its last 32 bytes.
  bool mac1_valid(base::Bytes message) const noexcept;
  bool mac2_valid(base::Bytes message, const base::Endpoint& from, base::Time now) const noexcept;
  // Answers `message`, whose sender chose the index `sender`.
  CookieReply create_reply(base::Bytes message, std::uint32_t sender, const base::Endpoint& from,
                           base::Time now, base::Random& random) noexcept;

 private:
  Hash32 secret_of(std::uint64_t epoch) const noexcept;

  Hash32 mac1_key_;
  Hash32 cookie_key_;
  // What the R of every two minutes is derived from. So all workers of a server, and a restarted
  // one, know each other's cookies: an initiation is seen first by any worker, then by its peer's.
  Key secret_;
};

class CookieClient {
 public:
  explicit CookieClient(const PublicKey& remote) noexcept;

  // Fills mac1, and mac2 if there is a fresh cookie, of a whole initiation or response.
  void sign(base::MutableBytes message, base::Time now) noexcept;
  // Takes a cookie that answers the message signed last; once.
  bool consume_reply(const CookieReply& reply, base::Time now) noexcept;

 private:
  Hash32 mac1_key_;
  Hash32 cookie_key_;
  std::optional<Mac16> last_mac1_;
  base::Secret<sizeof(Mac16)> cookie_;
  std::optional<base::Time> cookie_since_;
};

}  // namespace culvert::wg
