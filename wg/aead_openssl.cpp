#include <openssl/evp.h>

#include <array>
#include <memory>

#include "base/assert.hpp"
#include "wg/aead_backends.hpp"
#include "wg/crypto_bytes.hpp"

namespace culvert::wg {
namespace {

// Fetched once, a lookup by name costs as much as a packet; never freed.
const EVP_CIPHER* cipher() noexcept {
  static const EVP_CIPHER* const fetched = EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr);
  return fetched;
}

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

// One for each direction: to turn a context around costs more than a new key.
EVP_CIPHER_CTX* context(bool sealing) noexcept {
  const auto make = [](bool encrypt) {
    Context made(EVP_CIPHER_CTX_new());
    BASE_ASSERT(made != nullptr);
    BASE_ASSERT(EVP_CipherInit_ex2(made.get(), cipher(), nullptr, nullptr, encrypt, nullptr) == 1);
    return made;
  };
  static thread_local const Context sealer = make(true), opener = make(false);
  return sealing ? sealer.get() : opener.get();
}

class OpensslAead final : public Aead {
 public:
  std::string_view name() const noexcept override { return "openssl"; }

  void seal(std::span<const std::byte, 32> key, std::uint64_t counter, base::Bytes plain,
            base::MutableBytes out) const noexcept override {
    BASE_ASSERT(out.size() == plain.size() + tag_size);
    EVP_CIPHER_CTX* c = context(true);
    const Nonce nonce = make_nonce(counter);
    unsigned char* to = octets(out.data());
    int n = 0;
    bool ok =
        EVP_EncryptInit_ex2(c, nullptr, octets(key.data()), octets(nonce.data()), nullptr) == 1;
    if (!plain.empty())
      ok = ok && EVP_EncryptUpdate(c, to, &n, octets(plain.data()), int(plain.size())) == 1;
    ok = ok && EVP_EncryptFinal_ex(c, to + plain.size(), &n) == 1;
    ok = ok && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, int(tag_size), to + plain.size()) == 1;
    BASE_ASSERT(ok);  // nothing here depends on the data
  }

  bool open(std::span<const std::byte, 32> key, std::uint64_t counter, base::Bytes sealed,
            base::MutableBytes out) const noexcept override {
    if (sealed.size() < tag_size) return false;
    BASE_ASSERT(out.size() == sealed.size() - tag_size);
    EVP_CIPHER_CTX* c = context(false);
    const Nonce nonce = make_nonce(counter);
    std::array<unsigned char, tag_size> tag;
    for (std::size_t i = 0; i < tag_size; ++i) tag[i] = octets(sealed.data())[out.size() + i];

    int n = 0;
    bool ok =
        EVP_DecryptInit_ex2(c, nullptr, octets(key.data()), octets(nonce.data()), nullptr) == 1;
    ok = ok && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, int(tag_size), tag.data()) == 1;
    BASE_ASSERT(ok);
    if (!out.empty() &&
        EVP_DecryptUpdate(c, octets(out.data()), &n, octets(sealed.data()), int(out.size())) != 1)
      return false;
    unsigned char rest[tag_size];  // never written: the cipher has no blocks to complete
    return EVP_DecryptFinal_ex(c, rest, &n) == 1;
  }
};

}  // namespace

const Aead* openssl_aead() noexcept {
  static const OpensslAead backend;
  return cipher() != nullptr ? &backend : nullptr;
}

}  // namespace culvert::wg
