#include "wg/cookie.hpp"

#include <algorithm>
#include <string_view>

#include "base/headers.hpp"

namespace culvert::wg {
namespace {

constexpr std::size_t mac2_offset_from_end = sizeof(Mac16);
constexpr std::size_t mac1_offset_from_end = 2 * sizeof(Mac16);
// A cookie is given up a little before its maker does.
constexpr base::Duration cookie_use_time = cookie_lifetime - rekey_timeout;

Hash32 labelled_key(std::string_view label, const PublicKey& key) noexcept {
  base::Pieces both(std::as_bytes(std::span(label)));
  both.add(key.bytes);
  return hash(both);
}

base::Bytes mac1_of(base::Bytes message) noexcept {
  return message.subspan(message.size() - mac1_offset_from_end, sizeof(Mac16));
}
base::Bytes mac2_of(base::Bytes message) noexcept {
  return message.last(mac2_offset_from_end);
}

std::uint64_t epoch_of(base::Time now) noexcept {
  return std::uint64_t(now.time_since_epoch() / cookie_lifetime);
}

}  // namespace

Hash32 mac1_key_of(const PublicKey& receiver) noexcept {
  return labelled_key("mac1----", receiver);
}
Hash32 cookie_key_of(const PublicKey& replier) noexcept {
  return labelled_key("cookie--", replier);
}

Mac16 cookie_of(base::Bytes secret, const base::Endpoint& from) noexcept {
  std::array<std::byte, 2> port;
  base::store_be16(port.data(), from.port);
  base::Pieces input(from.address.bytes());
  input.add(port);
  return mac(secret, input);
}

CookieServer::CookieServer(const PrivateKey& private_key, const PublicKey& public_key) noexcept
    : mac1_key_(mac1_key_of(public_key)), cookie_key_(cookie_key_of(public_key)) {
  static constexpr std::string_view purpose = "culvert cookie secret";
  Key* outs[] = {&secret_};
  kdf(outs, private_key.bytes(), std::as_bytes(std::span(purpose)));
}

bool CookieServer::mac1_valid(base::Bytes message) const noexcept {
  // mac1 := MAC(HASH(LABEL_MAC1 || S_pub_m'), msg_a)
  const Mac16 right = mac(mac1_key_, message.first(message.size() - mac1_offset_from_end));
  return base::equal_constant_time(right, mac1_of(message));
}

bool CookieServer::mac2_valid(base::Bytes message, const base::Endpoint& from,
                              base::Time now) const noexcept {
  if (base::is_zero_constant_time(mac2_of(message))) return false;
  const base::Bytes signed_part = message.first(message.size() - mac2_offset_from_end);
  // mac2 := MAC(L_m, msg_b). The previous two minutes count too, or a fresh cookie could be void.
  const std::uint64_t epoch = epoch_of(now);
  for (const std::uint64_t made : {epoch, epoch - 1})
    if (base::equal_constant_time(mac(cookie_of(secret_of(made), from), signed_part),
                                  mac2_of(message)))
      return true;
  return false;
}

Hash32 CookieServer::secret_of(std::uint64_t epoch) const noexcept {
  return hmac(secret_.bytes(), base::Bytes(Le64(epoch).bytes));
}

CookieReply CookieServer::create_reply(base::Bytes message, std::uint32_t sender,
                                       const base::Endpoint& from, base::Time now,
                                       base::Random& random) noexcept {
  CookieReply reply;
  reply.receiver = sender;
  random.fill(reply.nonce);
  // msg.cookie := XAEAD(HASH(LABEL_COOKIE || S_pub_m), msg.nonce, tau, M)
  const Mac16 cookie = cookie_of(secret_of(epoch_of(now)), from);
  xseal(cookie_key_, reply.nonce, cookie, mac1_of(message), reply.sealed_cookie);
  return reply;
}

CookieClient::CookieClient(const PublicKey& remote) noexcept
    : mac1_key_(mac1_key_of(remote)), cookie_key_(cookie_key_of(remote)) {}

void CookieClient::sign(base::MutableBytes message, base::Time now) noexcept {
  const base::MutableBytes before_mac2 = message.first(message.size() - mac2_offset_from_end);
  const base::Bytes before_mac1 = message.first(message.size() - mac1_offset_from_end);
  const Mac16 mac1 = mac(mac1_key_, before_mac1);
  std::ranges::copy(mac1, before_mac2.last(sizeof mac1).begin());
  last_mac1_ = mac1;
  Mac16 mac2{};
  if (cookie_since_ && now - *cookie_since_ < cookie_use_time)
    mac2 = mac(cookie_.bytes(), base::Bytes(before_mac2));
  std::ranges::copy(mac2, message.last(sizeof mac2).begin());
}

bool CookieClient::consume_reply(const CookieReply& reply, base::Time now) noexcept {
  if (!last_mac1_) return false;
  base::Secret<sizeof(Mac16)> cookie;
  if (!xopen(cookie_key_, reply.nonce, reply.sealed_cookie, *last_mac1_, cookie.mutable_bytes()))
    return false;
  cookie_ = std::move(cookie);
  cookie_since_ = now;
  last_mac1_.reset();
  return true;
}

}  // namespace culvert::wg
