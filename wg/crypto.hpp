// The functions of the WireGuard paper, section 5.4, under its names. With keys.cpp and the
// AEAD backends the only place that names a cryptographic library. All of them are for handshakes;
// data packets use wg/aead.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/pieces.hpp"
#include "base/secret.hpp"
#include "wg/keys.hpp"

namespace culvert::wg {

using Hash32 = std::array<std::byte, 32>;
using Mac16 = std::array<std::byte, 16>;
using Key = base::Secret<32>;

// Must succeed before anything else here is called; throws std::runtime_error naming the library.
void init_crypto();

Hash32 hash(const base::Pieces& input) noexcept;                   // BLAKE2s-256
Mac16 mac(base::Bytes key, const base::Pieces& input) noexcept;    // keyed BLAKE2s-128
Hash32 hmac(base::Bytes key, const base::Pieces& input) noexcept;  // HMAC-BLAKE2s
// KDF_n: HKDF (RFC 5869) with HMAC-BLAKE2s; writes outs.size() keys (1 to 3).
void kdf(std::span<Key*> outs, base::Bytes chaining_key, base::Bytes input) noexcept;

// DH(private, public): X25519; nothing for the low-order points (an all-zero result).
std::optional<Key> dh(const PrivateKey& ours, const PublicKey& theirs) noexcept;

// AEAD(key, counter, plain, additional): out.size() == plain.size() + 16.
void seal(std::span<const std::byte, 32> key, std::uint64_t counter, base::Bytes plain,
          base::Bytes additional, base::MutableBytes out) noexcept;
[[nodiscard]] bool open(std::span<const std::byte, 32> key, std::uint64_t counter,
                        base::Bytes sealed, base::Bytes additional,
                        base::MutableBytes out) noexcept;
// XAEAD(key, nonce, plain, additional): XChaCha20-Poly1305, for cookies.
void xseal(std::span<const std::byte, 32> key, std::span<const std::byte, 24> nonce,
           base::Bytes plain, base::Bytes additional, base::MutableBytes out) noexcept;
[[nodiscard]] bool xopen(std::span<const std::byte, 32> key, std::span<const std::byte, 24> nonce,
                         base::Bytes sealed, base::Bytes additional,
                         base::MutableBytes out) noexcept;

}  // namespace culvert::wg
