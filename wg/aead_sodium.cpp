#include <sodium.h>

#include "base/assert.hpp"
#include "wg/aead_backends.hpp"
#include "wg/crypto_bytes.hpp"

namespace culvert::wg {
namespace {

class SodiumAead final : public Aead {
 public:
  std::string_view name() const noexcept override { return "libsodium"; }

  void seal(std::span<const std::byte, 32> key, std::uint64_t counter, base::Bytes plain,
            base::MutableBytes out) const noexcept override {
    BASE_ASSERT(out.size() == plain.size() + tag_size);
    const Nonce nonce = make_nonce(counter);
    crypto_aead_chacha20poly1305_ietf_encrypt(octets(out.data()), nullptr, octets(plain.data()),
                                              plain.size(), nullptr, 0, nullptr,
                                              octets(nonce.data()), octets(key.data()));
  }

  bool open(std::span<const std::byte, 32> key, std::uint64_t counter, base::Bytes sealed,
            base::MutableBytes out) const noexcept override {
    if (sealed.size() < tag_size) return false;
    BASE_ASSERT(out.size() == sealed.size() - tag_size);
    const Nonce nonce = make_nonce(counter);
    return crypto_aead_chacha20poly1305_ietf_decrypt(
               octets(out.data()), nullptr, nullptr, octets(sealed.data()), sealed.size(), nullptr,
               0, octets(nonce.data()), octets(key.data())) == 0;
  }
};

}  // namespace

const Aead* sodium_aead() noexcept {
  // Also picks the implementation for this CPU; it never fails for reasons of its own.
  static const bool ready = sodium_init() >= 0;
  BASE_ASSERT(ready);
  static const SodiumAead backend;
  return &backend;
}

}  // namespace culvert::wg
