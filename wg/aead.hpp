// ChaCha20-Poly1305 (RFC 8439) as WireGuard uses it for data: a 64-bit counter nonce, no associated
// data. Several backends compute the same; the fastest that the CPU and the build have is chosen at
// run time, and tests hold all of them to the same vectors and to each other.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/pieces.hpp"
#include "base/secret.hpp"

namespace culvert::wg {

inline constexpr std::size_t tag_size = 16;

class Aead {
 public:
  virtual ~Aead() = default;
  virtual std::string_view name() const noexcept = 0;  // "ipsec-mb avx512", "libsodium", ...

  // out = ciphertext followed by the tag; out.size() == plain.size() + tag_size. In place
  // (out.data() == plain.data()) or apart, never overlapping otherwise.
  virtual void seal(std::span<const std::byte, 32> key, std::uint64_t counter, base::Bytes plain,
                    base::MutableBytes out) const noexcept = 0;
  // sealed = ciphertext and tag; out.size() == sealed.size() - tag_size; same rule for overlap.
  // False if the tag is wrong, and then `out` holds nothing that may be used.
  [[nodiscard]] virtual bool open(std::span<const std::byte, 32> key, std::uint64_t counter,
                                  base::Bytes sealed, base::MutableBytes out) const noexcept = 0;
};

// Every backend this build and this CPU have, best first; never empty. They live for the process.
std::span<const Aead* const> aead_backends() noexcept;
// The best one, or the one that set_aead() chose.
const Aead& aead() noexcept;
// By its short name ("auto", "ipsec-mb", "openssl", "libsodium"); false if it is not there.
// Called at start, before any session exists.
bool set_aead(std::string_view name) noexcept;

}  // namespace culvert::wg
