#include "wg/crypto.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sodium.h>

#include <stdexcept>

#include "base/assert.hpp"
#include "wg/crypto_bytes.hpp"

namespace culvert::wg {
namespace {

// Fetched once: a lookup by name costs more than the hash itself. Never freed, they live as long as
// the process.
EVP_MD* blake2s = nullptr;
EVP_MAC* blake2s_mac = nullptr;

// The contexts are reused for the same reason: 0.2 us for a small hash instead of 0.5, and 0.45 us
// for a mac1. OpenSSL wipes the digest's state when it hands out a result; the MAC keeps its last
// key, which is made of public keys or is a cookie.
struct Contexts {
  EVP_MD_CTX* digest = EVP_MD_CTX_new();
  EVP_MAC_CTX* mac = EVP_MAC_CTX_new(blake2s_mac);
  Contexts() {
    BASE_ASSERT(digest != nullptr && mac != nullptr);  // init_crypto() has succeeded before
    BASE_ASSERT(EVP_DigestInit_ex2(digest, blake2s, nullptr) == 1);
    std::size_t size = std::tuple_size_v<Mac16>;
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                                     OSSL_PARAM_construct_end()};
    BASE_ASSERT(EVP_MAC_CTX_set_params(mac, parameters) == 1);
  }
  ~Contexts() {
    EVP_MD_CTX_free(digest);
    EVP_MAC_CTX_free(mac);
  }
  Contexts(const Contexts&) = delete;
  Contexts& operator=(const Contexts&) = delete;
};

Contexts& contexts() noexcept {
  static thread_local Contexts mine;
  return mine;
}

// BLAKE2s of `first` and then of every part of `rest`; it cannot fail once the context exists.
void digest(base::Bytes first, const base::Pieces& rest, std::span<std::byte, 32> out) noexcept {
  EVP_MD_CTX* context = contexts().digest;
  bool ok = EVP_DigestInit_ex2(context, nullptr, nullptr) == 1;
  ok = ok && EVP_DigestUpdate(context, first.data(), first.size()) == 1;
  for (base::Bytes part : rest) ok = ok && EVP_DigestUpdate(context, part.data(), part.size()) == 1;
  unsigned size = 0;
  ok = ok && EVP_DigestFinal_ex(context, octets(out.data()), &size) == 1;
  BASE_ASSERT(ok && size == out.size());
}

// HMAC (RFC 2104): H(K ^ opad, H(K ^ ipad, input)), with the block of BLAKE2s, 64 bytes.
void hmac_into(base::Bytes key, const base::Pieces& input, std::span<std::byte, 32> out) noexcept {
  constexpr std::size_t block = 64;
  std::array<std::byte, block> pad{};
  if (key.size() <= block)
    base::Pieces(key).copy_to(pad);
  else
    digest(key, {}, std::span(pad).first<32>());

  for (std::byte& b : pad) b ^= std::byte{0x36};
  std::array<std::byte, 32> inner;
  digest(pad, input, inner);
  for (std::byte& b : pad) b ^= std::byte{0x36 ^ 0x5c};
  digest(pad, base::Pieces(inner), out);
  base::wipe(pad);
  base::wipe(inner);
}

}  // namespace

void init_crypto() {
  if (sodium_init() < 0) throw std::runtime_error("libsodium: sodium_init failed");
  if (blake2s == nullptr) blake2s = EVP_MD_fetch(nullptr, "BLAKE2S-256", nullptr);
  if (blake2s == nullptr) throw std::runtime_error("OpenSSL: this build has no BLAKE2s-256");
  if (blake2s_mac == nullptr) blake2s_mac = EVP_MAC_fetch(nullptr, "BLAKE2SMAC", nullptr);
  if (blake2s_mac == nullptr) throw std::runtime_error("OpenSSL: this build has no BLAKE2SMAC");
  contexts();
}

Hash32 hash(const base::Pieces& input) noexcept {
  Hash32 result;
  digest({}, input, result);
  return result;
}

Mac16 mac(base::Bytes key, const base::Pieces& input) noexcept {
  EVP_MAC_CTX* context = contexts().mac;
  bool ok = EVP_MAC_init(context, octets(key.data()), key.size(), nullptr) == 1;
  for (base::Bytes part : input)
    ok = ok && EVP_MAC_update(context, octets(part.data()), part.size()) == 1;
  Mac16 result;
  std::size_t size = 0;
  ok = ok && EVP_MAC_final(context, octets(result.data()), &size, result.size()) == 1;
  BASE_ASSERT(ok && size == result.size());
  return result;
}

Hash32 hmac(base::Bytes key, const base::Pieces& input) noexcept {
  Hash32 result;
  hmac_into(key, input, result);
  return result;
}

void kdf(std::span<Key*> outs, base::Bytes chaining_key, base::Bytes input) noexcept {
  Key extracted;
  hmac_into(chaining_key, base::Pieces(input), extracted.mutable_bytes());
  base::Pieces previous;  // T(n) = HMAC(extracted, T(n-1) || n), T(0) empty
  for (std::size_t n = 0; n < outs.size(); ++n) {
    const std::byte number{static_cast<unsigned char>(n + 1)};
    base::Pieces block = previous;
    block.add({&number, 1});
    hmac_into(extracted.bytes(), block, outs[n]->mutable_bytes());
    previous = base::Pieces(outs[n]->bytes());
  }
}

std::optional<Key> dh(const PrivateKey& ours, const PublicKey& theirs) noexcept {
  std::optional<Key> shared(std::in_place);
  // libsodium refuses the points of low order and an all-zero result.
  if (crypto_scalarmult(octets(shared->mutable_bytes().data()), octets(ours.bytes().data()),
                        octets(theirs.bytes.data())) != 0)
    shared.reset();
  return shared;
}

void seal(std::span<const std::byte, 32> key, std::uint64_t counter, base::Bytes plain,
          base::Bytes additional, base::MutableBytes out) noexcept {
  BASE_ASSERT(out.size() == plain.size() + crypto_aead_chacha20poly1305_IETF_ABYTES);
  const Nonce nonce = make_nonce(counter);
  crypto_aead_chacha20poly1305_ietf_encrypt(
      octets(out.data()), nullptr, octets(plain.data()), plain.size(), octets(additional.data()),
      additional.size(), nullptr, octets(nonce.data()), octets(key.data()));
}

bool open(std::span<const std::byte, 32> key, std::uint64_t counter, base::Bytes sealed,
          base::Bytes additional, base::MutableBytes out) noexcept {
  if (sealed.size() < crypto_aead_chacha20poly1305_IETF_ABYTES) return false;
  BASE_ASSERT(out.size() == sealed.size() - crypto_aead_chacha20poly1305_IETF_ABYTES);
  const Nonce nonce = make_nonce(counter);
  return crypto_aead_chacha20poly1305_ietf_decrypt(octets(out.data()), nullptr, nullptr,
                                                   octets(sealed.data()), sealed.size(),
                                                   octets(additional.data()), additional.size(),
                                                   octets(nonce.data()), octets(key.data())) == 0;
}

void xseal(std::span<const std::byte, 32> key, std::span<const std::byte, 24> nonce,
           base::Bytes plain, base::Bytes additional, base::MutableBytes out) noexcept {
  BASE_ASSERT(out.size() == plain.size() + crypto_aead_xchacha20poly1305_ietf_ABYTES);
  crypto_aead_xchacha20poly1305_ietf_encrypt(
      octets(out.data()), nullptr, octets(plain.data()), plain.size(), octets(additional.data()),
      additional.size(), nullptr, octets(nonce.data()), octets(key.data()));
}

bool xopen(std::span<const std::byte, 32> key, std::span<const std::byte, 24> nonce,
           base::Bytes sealed, base::Bytes additional, base::MutableBytes out) noexcept {
  if (sealed.size() < crypto_aead_xchacha20poly1305_ietf_ABYTES) return false;
  BASE_ASSERT(out.size() == sealed.size() - crypto_aead_xchacha20poly1305_ietf_ABYTES);
  return crypto_aead_xchacha20poly1305_ietf_decrypt(octets(out.data()), nullptr, nullptr,
                                                    octets(sealed.data()), sealed.size(),
                                                    octets(additional.data()), additional.size(),
                                                    octets(nonce.data()), octets(key.data())) == 0;
}

}  // namespace culvert::wg
