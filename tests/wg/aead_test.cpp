#include "wg/aead.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/vectors/hex.hpp"
#include "wg/crypto.hpp"

using namespace culvert;
using namespace culvert::wg;
using vectors::from_hex;

namespace {

using Buffer = std::vector<std::byte>;
using RawKey = std::array<std::byte, 32>;

class Source {
 public:
  explicit Source(unsigned seed) : engine_(seed) {}
  Buffer bytes(std::size_t size) {
    Buffer result(size);
    for (std::byte& b : result) b = static_cast<std::byte>(engine_() & 0xff);
    return result;
  }
  RawKey key() {
    RawKey result;
    for (std::byte& b : result) b = static_cast<std::byte>(engine_() & 0xff);
    return result;
  }
  std::uint64_t counter() { return engine_(); }
  std::size_t below(std::size_t bound) { return engine_() % bound; }

 private:
  std::mt19937_64 engine_;
};

Buffer sealed_by(const Aead& aead, const RawKey& key, std::uint64_t counter, base::Bytes plain) {
  Buffer out(plain.size() + tag_size);
  aead.seal(key, counter, plain, out);
  return out;
}

std::vector<std::size_t> lengths_to_try() {
  std::vector<std::size_t> lengths;
  for (std::size_t n = 0; n <= 320; ++n) lengths.push_back(n);
  Source source(7);
  for (int i = 0; i < 150; ++i) lengths.push_back(source.below(2001));
  for (std::size_t n : {4096, 9000, 16384, 32767, 65000, 65519}) lengths.push_back(n);
  return lengths;
}

}  // namespace

TEST_CASE("every backend seals a packet as the handshake AEAD does without additional data") {
  // The second implementation is crypto.cpp's seal(), held to RFC 8439 in crypto_test.
  init_crypto();
  Source source(1);
  const RawKey key = source.key();
  const Buffer plain = source.bytes(1420);
  Buffer expected(plain.size() + tag_size);
  seal(key, 0x0102030405060708, plain, {}, expected);
  for (const Aead* aead : aead_backends()) {
    CAPTURE(aead->name());
    CHECK(sealed_by(*aead, key, 0x0102030405060708, plain) == expected);
  }
}

TEST_CASE("every backend passes a ChaCha20-Poly1305 known answer in WireGuard's nonce form") {
  // Key of RFC 8439 section 2.8.2, nonce 00000000 4746454443424140, no additional data; the answer
  // is from python3-cryptography, a third implementation of RFC 8439.
  RawKey key;
  std::ranges::copy(from_hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
                    key.begin());
  const std::string_view text =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
      "sunscreen would be it.";
  const Buffer expected = from_hex(
      "2b31941c4b4480b9071b47d5b21072038ad2add05572e716b3394160495daa17177047c360d57591"
      "24808916c80b88133f26055d3a2fab56bfcc3dff2e81cf3240d30d0de48b3bac90021bcfa385313d"
      "b6112fbd9eb8aad201602c6c6d472390830d52a7111055f61c5a24370b327f976478a0a0287af616"
      "49ade753b21b7f139322");
  for (const Aead* aead : aead_backends()) {
    CAPTURE(aead->name());
    const Buffer sealed = sealed_by(*aead, key, 0x4041424344454647, std::as_bytes(std::span(text)));
    CHECK(sealed == expected);
    Buffer opened(text.size());
    REQUIRE(aead->open(key, 0x4041424344454647, sealed, opened));
    CHECK(std::ranges::equal(opened, std::as_bytes(std::span(text))));
  }
}

TEST_CASE("what one backend seals every backend opens, at every length, apart and in place") {
  Source source(2);
  for (std::size_t length : lengths_to_try()) {
    CAPTURE(length);
    const RawKey key = source.key();
    const std::uint64_t counter = source.counter();
    const Buffer plain = source.bytes(length);
    const Buffer expected = sealed_by(*aead_backends().back(), key, counter, plain);
    for (const Aead* aead : aead_backends()) {
      CAPTURE(aead->name());
      REQUIRE(sealed_by(*aead, key, counter, plain) == expected);
      Buffer opened(length);
      REQUIRE(aead->open(key, counter, expected, opened));
      REQUIRE(opened == plain);

      Buffer in_place = plain;
      in_place.resize(length + tag_size);
      aead->seal(key, counter, base::Bytes(in_place).first(length), in_place);
      REQUIRE(in_place == expected);
      REQUIRE(aead->open(key, counter, in_place, base::MutableBytes(in_place).first(length)));
      REQUIRE(std::equal(plain.begin(), plain.end(), in_place.begin()));
    }
  }
}

TEST_CASE("no backend writes outside of what it was given") {
  Source source(3);
  const RawKey key = source.key();
  for (std::size_t length : {0, 1, 15, 16, 17, 63, 64, 65, 255, 257, 1000, 1420}) {
    CAPTURE(length);
    const Buffer plain = source.bytes(length);
    for (const Aead* aead : aead_backends()) {
      CAPTURE(aead->name());
      constexpr std::size_t fence = 128;
      Buffer area(length + tag_size + 2 * fence, std::byte{0xa5});
      const auto inside = base::MutableBytes(area).subspan(fence, length + tag_size);
      const auto fences_stand = [&] {
        const auto untouched = [](std::byte b) { return b == std::byte{0xa5}; };
        return std::all_of(area.begin(), area.begin() + fence, untouched) &&
               std::all_of(area.end() - fence, area.end(), untouched);
      };
      aead->seal(key, 9, plain, inside);
      CHECK(fences_stand());
      const Buffer sealed(inside.begin(), inside.end());
      std::ranges::fill(area, std::byte{0xa5});
      REQUIRE(aead->open(key, 9, sealed, inside.first(length)));
      CHECK(std::all_of(area.begin() + std::ptrdiff_t(fence + length), area.end(),
                        [](std::byte b) { return b == std::byte{0xa5}; }));
    }
  }
}

TEST_CASE("any flipped bit, another key or another counter is refused") {
  Source source(4);
  for (std::size_t length : {0, 1, 64, 148, 1420}) {
    const RawKey key = source.key();
    const Buffer plain = source.bytes(length);
    for (const Aead* aead : aead_backends()) {
      CAPTURE(aead->name(), length);
      const Buffer sealed = sealed_by(*aead, key, 5, plain);
      Buffer out(length);
      for (std::size_t at = 0; at < sealed.size(); at += 1 + at / 16) {
        Buffer tampered = sealed;
        tampered[at] ^= static_cast<std::byte>(1u << (at % 8));
        CAPTURE(at);
        CHECK_FALSE(aead->open(key, 5, tampered, out));
      }
      for (std::size_t at = length; at < sealed.size(); ++at) {
        Buffer tampered = sealed;
        tampered[at] ^= std::byte{0x80};
        CHECK_FALSE(aead->open(key, 5, tampered, out));
      }
      RawKey other = key;
      other[31] ^= std::byte{1};
      CHECK_FALSE(aead->open(other, 5, sealed, out));
      CHECK_FALSE(aead->open(key, 6, sealed, out));
      CHECK_FALSE(aead->open(key, 5 + (std::uint64_t{1} << 63), sealed, out));
      CHECK(aead->open(key, 5, sealed, out));  // a refusal left nothing behind
    }
  }
}

TEST_CASE("what is shorter than a tag, and a packet cut short, is refused") {
  Source source(5);
  const RawKey key = source.key();
  for (const Aead* aead : aead_backends()) {
    CAPTURE(aead->name());
    const Buffer sealed = sealed_by(*aead, key, 1, source.bytes(100));
    for (std::size_t size = 0; size < sealed.size(); ++size) {
      Buffer out(size < tag_size ? 0 : size - tag_size);
      CHECK_FALSE(aead->open(key, 1, base::Bytes(sealed).first(size), out));
    }
  }
}

TEST_CASE("a backend is chosen by its short name, and only one that is there") {
  const std::string_view best = aead_backends().front()->name();
  CHECK_FALSE(set_aead("rot13"));
  CHECK_FALSE(set_aead(""));
  REQUIRE(set_aead("libsodium"));
  CHECK(aead().name() == "libsodium");
  REQUIRE(set_aead("openssl"));
  CHECK(aead().name() == "openssl");
  REQUIRE(set_aead("auto"));
  CHECK(aead().name() == best);
  CHECK(aead_backends().back()->name() == "libsodium");
}
