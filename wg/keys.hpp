// Keys as the WireGuard paper names them (section 5.4), and their base64 form as wg(8) prints it.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace culvert::wg {

inline constexpr std::size_t key_size = 32;

struct PublicKey {
  std::array<std::byte, key_size> bytes{};

  // 44 characters of standard base64 with padding; nothing else.
  static std::optional<PublicKey> parse(std::string_view base64);
  std::string to_string() const;

  friend bool operator==(const PublicKey&, const PublicKey&) = default;
  friend auto operator<=>(const PublicKey&, const PublicKey&) = default;
};

struct PublicKeyHash {
  std::size_t operator()(const PublicKey& key) const noexcept;
};

using PrivateKey = base::Secret<key_size>;
using PresharedKey = base::Secret<key_size>;  // zeros = none

PrivateKey generate_private_key(base::Random& random) noexcept;  // clamped (RFC 7748 section 5)
PresharedKey generate_preshared_key(base::Random& random) noexcept;
PublicKey public_key_of(const PrivateKey& key) noexcept;

// For PrivateKey and PresharedKey; the text of a secret is for files that are 0600, never for a log.
std::optional<base::Secret<key_size>> parse_secret_key(std::string_view base64);
std::string secret_key_text(const base::Secret<key_size>& key);

// The worker that owns a peer: the same for every process of one run. `workers` >= 1.
unsigned owner_of(const PublicKey& key, unsigned workers) noexcept;

}  // namespace culvert::wg
