#include "wg/keys.hpp"

#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "wg/crypto_bytes.hpp"

namespace culvert::wg {
namespace {

constexpr std::size_t base64_size = 44;  // 32 bytes and one character of padding

using Raw = std::array<std::byte, key_size>;

// Strict: the alphabet of RFC 4648 section 4, the padding, and zero bits behind the last byte, so
// that one key has one text. libsodium decodes without secret-dependent branches.
bool decode(std::string_view text, Raw& out) noexcept {
  if (text.size() != base64_size || text.back() != '=') return false;
  // libsodium takes characters of 8 bits for digits.
  if (std::any_of(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; })) return false;
  std::size_t size = 0;
  const char* end = nullptr;
  const int failed = sodium_base642bin(octets(out.data()), out.size(), text.data(), text.size(),
                                       nullptr, &size, &end, sodium_base64_VARIANT_ORIGINAL);
  return failed == 0 && size == out.size() && end == text.data() + text.size();
}

std::string encode(std::span<const std::byte, key_size> key) {
  std::array<char, base64_size + 1> text;
  sodium_bin2base64(text.data(), text.size(), octets(key.data()), key.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  return std::string(text.data(), base64_size);
}

std::uint64_t word(const PublicKey& key, std::size_t at) noexcept {
  std::uint64_t value;
  std::memcpy(&value, key.bytes.data() + at, sizeof value);
  return value;
}

}  // namespace

std::optional<PublicKey> PublicKey::parse(std::string_view base64) {
  PublicKey key;
  if (!decode(base64, key.bytes)) return std::nullopt;
  return key;
}

std::string PublicKey::to_string() const {
  return encode(bytes);
}

// Configured keys only: an operator chooses them, so this need not withstand chosen input.
std::size_t PublicKeyHash::operator()(const PublicKey& key) const noexcept {
  return std::size_t(word(key, 0) ^ word(key, 24));
}

PrivateKey generate_private_key(base::Random& random) noexcept {
  PrivateKey key;
  const auto bytes = key.mutable_bytes();
  random.fill(bytes);
  bytes[0] &= std::byte{0xf8};
  bytes[31] = (bytes[31] & std::byte{0x7f}) | std::byte{0x40};
  return key;
}

PresharedKey generate_preshared_key(base::Random& random) noexcept {
  PresharedKey key;
  random.fill(key.mutable_bytes());
  return key;
}

PublicKey public_key_of(const PrivateKey& key) noexcept {
  PublicKey result;
  // Fails only for a point of low order, and the base point is none.
  const int failed =
      crypto_scalarmult_base(octets(result.bytes.data()), octets(key.bytes().data()));
  BASE_ASSERT(failed == 0);
  return result;
}

std::optional<base::Secret<key_size>> parse_secret_key(std::string_view base64) {
  Raw raw;
  std::optional<base::Secret<key_size>> key;
  if (decode(base64, raw)) key.emplace(raw);
  base::wipe(raw);
  return key;
}

std::string secret_key_text(const base::Secret<key_size>& key) {
  return encode(key.bytes());
}

unsigned owner_of(const PublicKey& key, unsigned workers) noexcept {
  // A public key is an elliptic curve point: its low bits are as good as a hash of it.
  return unsigned(word(key, 0) % workers);
}

}  // namespace culvert::wg
