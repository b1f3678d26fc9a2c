// How bytes are handed to a cryptographic library, and the nonce of every ChaCha20-Poly1305 in
// WireGuard. For crypto.cpp and the AEAD backends only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace culvert::wg {

inline const unsigned char* octets(const std::byte* bytes) noexcept {
  return reinterpret_cast<const unsigned char*>(bytes);
}
inline unsigned char* octets(std::byte* bytes) noexcept {
  return reinterpret_cast<unsigned char*>(bytes);
}

using Nonce = std::array<std::byte, 12>;

// Paper section 5.4: four zero bytes and the counter, little-endian.
inline Nonce make_nonce(std::uint64_t counter) noexcept {
  Nonce nonce{};
  for (unsigned i = 0; i < 8; ++i)
    nonce[4 + i] = static_cast<std::byte>(static_cast<unsigned char>(counter >> (8 * i)));
  return nonce;
}

}  // namespace culvert::wg
