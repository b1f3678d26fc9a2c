#include "wg/noise.hpp"

#include <string_view>

#include "base/headers.hpp"

namespace culvert::wg {
namespace {

base::Bytes text(std::string_view s) noexcept {
  return std::as_bytes(std::span(s));
}

// The protocol's starting C, HASH(CONSTRUCTION), and H, HASH(C || IDENTIFIER).
struct Start {
  Hash32 chaining_key, hash;
};
const Start& start_values() noexcept {
  static const Start start = [] {
    Start s;
    s.chaining_key = hash(text("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"));
    base::Pieces both(s.chaining_key);
    both.add(text("WireGuard v1 zx2c4 Jason@zx2c4.com"));
    s.hash = hash(both);
    return s;
  }();
  return start;
}

// (first, second) := KDF2(C, e)
TransportKeys derive_keys(const Transcript& transcript, bool initiator) noexcept {
  TransportKeys keys;
  Key* initiator_order[] = {&keys.send, &keys.receive};
  Key* responder_order[] = {&keys.receive, &keys.send};
  kdf(initiator ? initiator_order : responder_order, transcript.chaining_key.bytes(), {});
  return keys;
}

// (C, t, k) := KDF3(C, Q); H := HASH(H || t)
Key mix_preshared_key(Transcript& transcript, const PresharedKey& psk) noexcept {
  Key chaining_key, temporary, key;
  Key* outs[] = {&chaining_key, &temporary, &key};
  kdf(outs, transcript.chaining_key.bytes(), psk.bytes());
  transcript.chaining_key = std::move(chaining_key);
  transcript.mix_hash(temporary.bytes());
  return key;
}

}  // namespace

Identity::Identity(PrivateKey key) noexcept
    : private_key(std::move(key)), public_key(public_key_of(private_key)) {}

RemoteIdentity::RemoteIdentity(const Identity& ours, const PublicKey& theirs,
                               PresharedKey psk) noexcept
    : public_key(theirs),
      preshared_key(std::move(psk)),
      static_static(dh(ours.private_key, theirs)) {}

Transcript Transcript::start(const PublicKey& responder) noexcept {
  Transcript t;
  t.chaining_key = Key(start_values().chaining_key);
  t.hash = start_values().hash;
  t.mix_hash(responder.bytes);
  return t;
}

void Transcript::mix_hash(base::Bytes input) noexcept {
  base::Pieces both(hash);
  both.add(input);
  hash = wg::hash(both);
}

void Transcript::mix_key(base::Bytes input) noexcept {
  Key next;
  Key* outs[] = {&next};
  kdf(outs, chaining_key.bytes(), input);
  chaining_key = std::move(next);
}

Key Transcript::mix_key_and_derive(base::Bytes input) noexcept {
  Key next, key;
  Key* outs[] = {&next, &key};
  kdf(outs, chaining_key.bytes(), input);
  chaining_key = std::move(next);
  return key;
}

bool InitiatorHandshake::create_initiation(Initiation& out, std::uint32_t our_index,
                                           const Tai64n& stamp, const Identity& ours,
                                           const RemoteIdentity& theirs,
                                           base::Random& random) noexcept {
  clear();
  if (!theirs.static_static) return false;
  // (E_priv, E_pub) := DH-GENERATE(); H := HASH(HASH(C || IDENTIFIER) || S_pub_r)
  PrivateKey ephemeral = generate_private_key(random);
  Transcript t = Transcript::start(theirs.public_key);
  out = Initiation{};
  out.sender = our_index;
  out.ephemeral = public_key_of(ephemeral);
  // C := KDF1(C, E_pub_i); H := HASH(H || msg.ephemeral)
  t.mix_key(out.ephemeral.bytes);
  t.mix_hash(out.ephemeral.bytes);
  // (C, k) := KDF2(C, DH(E_priv_i, S_pub_r))
  const auto ephemeral_static = dh(ephemeral, theirs.public_key);
  if (!ephemeral_static) return false;
  const Key static_key = t.mix_key_and_derive(ephemeral_static->bytes());
  // msg.static := AEAD(k, 0, S_pub_i, H); H := HASH(H || msg.static)
  seal(static_key.bytes(), 0, ours.public_key.bytes, t.hash, out.sealed_static);
  t.mix_hash(out.sealed_static);
  // (C, k) := KDF2(C, DH(S_priv_i, S_pub_r))
  const Key stamp_key = t.mix_key_and_derive(theirs.static_static->bytes());
  // msg.timestamp := AEAD(k, 0, TIMESTAMP(), H); H := HASH(H || msg.timestamp)
  seal(stamp_key.bytes(), 0, stamp, t.hash, out.sealed_timestamp);
  t.mix_hash(out.sealed_timestamp);

  ephemeral_ = std::move(ephemeral);
  transcript_ = std::move(t);
  waiting_ = true;
  return true;
}

std::optional<TransportKeys> InitiatorHandshake::consume_response(
    const Response& response, const Identity& ours, const RemoteIdentity& theirs) noexcept {
  if (!waiting_) return std::nullopt;
  Transcript t{transcript_.chaining_key.clone(), transcript_.hash};
  // C := KDF1(C, E_pub_r); H := HASH(H || msg.ephemeral)
  t.mix_key(response.ephemeral.bytes);
  t.mix_hash(response.ephemeral.bytes);
  // C := KDF1(C, DH(E_priv_i, E_pub_r))
  const auto ephemeral_ephemeral = dh(ephemeral_, response.ephemeral);
  if (!ephemeral_ephemeral) return std::nullopt;
  t.mix_key(ephemeral_ephemeral->bytes());
  // C := KDF1(C, DH(S_priv_i, E_pub_r))
  const auto static_ephemeral = dh(ours.private_key, response.ephemeral);
  if (!static_ephemeral) return std::nullopt;
  t.mix_key(static_ephemeral->bytes());
  // (C, t, k) := KDF3(C, Q); H := HASH(H || t)
  const Key key = mix_preshared_key(t, theirs.preshared_key);
  // msg.empty := AEAD(k, 0, e, H)
  std::array<std::byte, 1> nothing;
  if (!open(key.bytes(), 0, response.sealed_nothing, t.hash, std::span(nothing).first(0)))
    return std::nullopt;
  clear();
  return derive_keys(t, true);
}

void InitiatorHandshake::clear() noexcept {
  waiting_ = false;
  ephemeral_.clear();
  transcript_.chaining_key.clear();
  transcript_.hash = {};
}

std::optional<ReceivedInitiation> consume_initiation(const Initiation& message,
                                                     const Identity& ours) noexcept {
  ReceivedInitiation r;
  r.ephemeral = message.ephemeral;
  r.sender = message.sender;
  // H := HASH(HASH(C || IDENTIFIER) || S_pub_r)
  r.transcript = Transcript::start(ours.public_key);
  // C := KDF1(C, E_pub_i); H := HASH(H || msg.ephemeral)
  r.transcript.mix_key(message.ephemeral.bytes);
  r.transcript.mix_hash(message.ephemeral.bytes);
  // (C, k) := KDF2(C, DH(S_priv_r, E_pub_i))
  const auto static_ephemeral = dh(ours.private_key, message.ephemeral);
  if (!static_ephemeral) return std::nullopt;
  const Key key = r.transcript.mix_key_and_derive(static_ephemeral->bytes());
  // msg.static := AEAD(k, 0, S_pub_i, H); H := HASH(H || msg.static)
  if (!open(key.bytes(), 0, message.sealed_static, r.transcript.hash, r.static_key.bytes))
    return std::nullopt;
  r.transcript.mix_hash(message.sealed_static);
  return r;
}

std::optional<Tai64n> authenticate(ReceivedInitiation& received, const Initiation& message,
                                   const RemoteIdentity& theirs) noexcept {
  if (!theirs.static_static) return std::nullopt;
  // (C, k) := KDF2(C, DH(S_priv_r, S_pub_i))
  const Key key = received.transcript.mix_key_and_derive(theirs.static_static->bytes());
  // msg.timestamp := AEAD(k, 0, TIMESTAMP(), H); H := HASH(H || msg.timestamp)
  Tai64n stamp;
  if (!open(key.bytes(), 0, message.sealed_timestamp, received.transcript.hash, stamp))
    return std::nullopt;
  received.transcript.mix_hash(message.sealed_timestamp);
  return stamp;
}

std::optional<TransportKeys> create_response(Response& out, ReceivedInitiation received,
                                             std::uint32_t our_index, const RemoteIdentity& theirs,
                                             base::Random& random) noexcept {
  Transcript& t = received.transcript;
  // (E_priv_r, E_pub_r) := DH-GENERATE()
  const PrivateKey ephemeral = generate_private_key(random);
  out = Response{};
  out.sender = our_index;
  out.receiver = received.sender;
  out.ephemeral = public_key_of(ephemeral);
  // C := KDF1(C, E_pub_r); H := HASH(H || msg.ephemeral)
  t.mix_key(out.ephemeral.bytes);
  t.mix_hash(out.ephemeral.bytes);
  // C := KDF1(C, DH(E_priv_r, E_pub_i))
  const auto ephemeral_ephemeral = dh(ephemeral, received.ephemeral);
  if (!ephemeral_ephemeral) return std::nullopt;
  t.mix_key(ephemeral_ephemeral->bytes());
  // C := KDF1(C, DH(E_priv_r, S_pub_i))
  const auto ephemeral_static = dh(ephemeral, theirs.public_key);
  if (!ephemeral_static) return std::nullopt;
  t.mix_key(ephemeral_static->bytes());
  // (C, t, k) := KDF3(C, Q); H := HASH(H || t)
  const Key key = mix_preshared_key(t, theirs.preshared_key);
  // msg.empty := AEAD(k, 0, e, H); H := HASH(H || msg.empty), which nobody needs any more
  seal(key.bytes(), 0, {}, t.hash, out.sealed_nothing);
  return derive_keys(t, false);
}

Tai64n tai64n(base::WallTime wall) noexcept {
  constexpr std::uint64_t tai_epoch = 0x400000000000000a;
  constexpr std::uint32_t whitened = ~std::uint32_t(0xffffff);
  const auto since_epoch = wall.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  const auto label = tai_epoch + std::uint64_t(seconds.count());
  Tai64n stamp;
  base::store_be32(stamp.data(), std::uint32_t(label >> 32));
  base::store_be32(stamp.data() + 4, std::uint32_t(label));
  base::store_be32(stamp.data() + 8, std::uint32_t((since_epoch - seconds).count()) & whitened);
  return stamp;
}

Tai64n next_stamp(const Tai64n& stamp) noexcept {
  constexpr std::uint32_t step = 1 << 24, second = 1'000'000'000;
  Tai64n next = stamp;
  const std::uint32_t nanoseconds = base::load_be32(stamp.data() + 8) + step;
  if (nanoseconds < second) {
    base::store_be32(next.data() + 8, nanoseconds);
    return next;
  }
  base::store_be32(next.data() + 8, 0);
  const std::uint32_t low = base::load_be32(stamp.data() + 4) + 1;
  base::store_be32(next.data() + 4, low);
  if (low == 0) base::store_be32(next.data(), base::load_be32(stamp.data()) + 1);
  return next;
}

}  // namespace culvert::wg
