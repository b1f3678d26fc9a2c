#include "wg/crypto.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/vectors/handshake_vectors.hpp"
#include "tests/vectors/hex.hpp"

using namespace culvert;
using namespace culvert::wg;
using vectors::from_hex;

namespace {

using Buffer = std::vector<std::byte>;

base::Bytes bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

Buffer counting(std::size_t size) {
  Buffer result(size);
  for (std::size_t i = 0; i < size; ++i) result[i] = static_cast<std::byte>(i & 0xff);
  return result;
}

template <std::size_t N>
std::array<std::byte, N> fixed(std::string_view hex) {
  std::array<std::byte, N> result{};
  const Buffer bytes = from_hex(hex);
  REQUIRE(bytes.size() == N);
  std::ranges::copy(bytes, result.begin());
  return result;
}

PrivateKey private_key(std::string_view hex) {
  return PrivateKey(fixed<32>(hex));
}
PublicKey public_key(std::string_view hex) {
  return PublicKey{fixed<32>(hex)};
}

template <class Range>
bool same(const Range& found, std::string_view hex) {
  return std::ranges::equal(found, from_hex(hex));
}

struct Libraries {
  Libraries() { init_crypto(); }
};

}  // namespace

TEST_CASE_METHOD(Libraries, "hash is BLAKE2s-256") {
  // RFC 7693 appendix B; then no input, and several blocks.
  CHECK(same(hash(base::Pieces(bytes_of("abc"))),
             "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"));
  CHECK(same(hash({}), "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9"));
  CHECK(same(hash(base::Pieces(counting(256))),
             "5fdeb59f681d975f52c8e69c5502e02a12a3afcc5836ba58f42784c439228781"));
}

TEST_CASE_METHOD(Libraries, "hash and mac of pieces are those of the joined bytes") {
  const Buffer all = counting(256);
  const Buffer key = counting(32);
  for (std::size_t cut : {1, 63, 64, 65, 128, 255}) {
    base::Pieces pieces;
    pieces.add(base::Bytes(all).first(cut));
    pieces.add(base::Bytes(all).subspan(cut));
    CHECK(hash(pieces) == hash(base::Pieces(all)));
    CHECK(mac(key, pieces) == mac(key, base::Pieces(all)));
  }
}

TEST_CASE_METHOD(Libraries, "the start values of the handshake are those of the paper") {
  const Hash32 chaining_key = hash(base::Pieces(bytes_of("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s")));
  CHECK(same(chaining_key, "60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36"));
  base::Pieces both;
  both.add(chaining_key);
  both.add(bytes_of("WireGuard v1 zx2c4 Jason@zx2c4.com"));
  CHECK(same(hash(both), "2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3"));
}

TEST_CASE_METHOD(Libraries, "mac is keyed BLAKE2s with 16 bytes, for keys of 32 and of 16 bytes") {
  // The answers are Python's hashlib.blake2s, digest_size=16.
  CHECK(same(mac(counting(32), base::Pieces(counting(116))), "072e94ffbfc684bd8ab2a1b9dade2fd5"));
  CHECK(same(mac(counting(16), {}), "af4e5d3bb230e9ff9096ca6f7c501f76"));
  CHECK(same(mac(counting(16), base::Pieces(Buffer(64))), "96d78782aeb391dcc59781b3158aaa2d"));
  // A key of one call does not stay for the next.
  CHECK(same(mac(counting(32), base::Pieces(counting(116))), "072e94ffbfc684bd8ab2a1b9dade2fd5"));
}

TEST_CASE_METHOD(Libraries, "hmac is RFC 2104 over BLAKE2s, with keys of any length") {
  // The answers are Python's hmac.
  CHECK(same(hmac(counting(64), base::Pieces(bytes_of("one block"))),
             "f6b4e3e35e71f2e2b2726175e76627d54264e9a57a8bd1888f0477e99ee39029"));
  CHECK(same(hmac(counting(100), base::Pieces(bytes_of("what is hashed first"))),
             "69e7c293aee1a73b5f706b3e007b9dcb3e98cfb793d2bef361f7bc798a85c0cc"));
}

TEST_CASE_METHOD(Libraries, "kdf derives one, two or three keys, each the same however many") {
  struct Vector {
    std::string_view key, input, t1, t2, t3;
  };
  // The first is known from other implementations; all are as Python's hmac computes RFC 5869.
  const Vector known[] = {
      {"test-key", "test-input", "6f0e5ad38daba1bea8a0d213688736f19763239305e0f58aba697f9ffc41c633",
       "df1194df20802a4fe594cde27e92991c8cae66c366e8106aaa937a55fa371e8a",
       "fac6e2745a325f5dc5d11a5b165aad08b0ada28e7b4e666b7c077934a4d76c24"},
      {"wireguard", "wireguard", "491d43bbfdaa8750aaf535e334ecbfe5129967cd64635101c566d4caefda96e8",
       "1e71a379baefd8a79aa4662212fcafe19a23e2b609a3db7d6bcba8f560e3d25f",
       "31e1ae48bddfbe5de38f295e5452b1909a1b4e38e183926af3780b0c1e1f0160"},
      {"", "", "8387b46bf43eccfcf349552a095d8315c4055beb90208fb1be23b894bc2ed5d0",
       "58a0e5f6faefccf4807bff1f05fa8a9217945762040bcec2f4b4a62bdfe0e86e",
       "0ce6ea98ec548f8e281e93e32db65621c45eb18dc6f0a7ad94178610a2f7338e"},
  };
  for (const Vector& v : known) {
    CAPTURE(v.key);
    for (std::size_t count = 1; count <= 3; ++count) {
      std::array<Key, 3> keys;
      std::array<Key*, 3> outs{&keys[0], &keys[1], &keys[2]};
      kdf(std::span(outs).first(count), bytes_of(v.key), bytes_of(v.input));
      CHECK(same(keys[0].bytes(), v.t1));
      if (count > 1) CHECK(same(keys[1].bytes(), v.t2));
      if (count > 2) CHECK(same(keys[2].bytes(), v.t3));
      for (std::size_t i = count; i < 3; ++i) CHECK(keys[i].is_zero());
    }
  }
}

TEST_CASE_METHOD(Libraries, "kdf may write over its own chaining key") {
  Key chaining_key(fixed<32>("60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36"));
  Key expected, second, expected_second;
  std::array<Key*, 2> apart{&expected, &expected_second}, same_place{&chaining_key, &second};
  kdf(apart, chaining_key.bytes(), bytes_of("input"));
  kdf(same_place, chaining_key.bytes(), bytes_of("input"));
  CHECK(chaining_key == expected);
  CHECK(second == expected_second);
}

TEST_CASE_METHOD(Libraries, "dh is X25519 as in RFC 7748") {
  // Section 5.2, both vectors; section 6.1.
  const auto first =
      dh(private_key("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
         public_key("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"));
  REQUIRE(first);
  CHECK(same(first->bytes(), "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"));
  const auto second =
      dh(private_key("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d"),
         public_key("e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493"));
  REQUIRE(second);
  CHECK(same(second->bytes(), "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"));
  const auto alice =
      private_key("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  const auto bob = private_key("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
  const auto theirs = dh(alice, public_key_of(bob)), ours = dh(bob, public_key_of(alice));
  REQUIRE((theirs && ours));
  CHECK(same(theirs->bytes(), "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"));
  CHECK(*theirs == *ours);
}

TEST_CASE_METHOD(Libraries, "a thousand rounds of X25519 end where RFC 7748 section 5.2 says") {
  Buffer scalar = from_hex("0900000000000000000000000000000000000000000000000000000000000000");
  Buffer point = scalar;
  for (int i = 0; i < 1000; ++i) {
    const PrivateKey k(std::span<const std::byte, 32>(scalar.data(), 32));
    PublicKey u;
    std::ranges::copy(point, u.bytes.begin());
    const auto result = dh(k, u);
    REQUIRE(result);
    point = scalar;
    scalar.assign(result->bytes().begin(), result->bytes().end());
  }
  CHECK(same(scalar, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"));
}

TEST_CASE_METHOD(Libraries, "the points of low order give no shared key") {
  // RFC 7748 section 7; the list is that of the curve's points of order 1, 2, 4 and 8, with their
  // forms that are not reduced.
  const std::string_view points[] = {
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
      "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  };
  const auto ours = private_key("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  for (std::string_view point : points) {
    CAPTURE(point);
    CHECK_FALSE(dh(ours, public_key(point)));
  }
}

TEST_CASE_METHOD(Libraries, "seal and open are RFC 8439 with WireGuard's nonce") {
  // Appendix A.5, whose nonce has four zero bytes in front.
  const std::string_view text =
      "Internet-Drafts are draft documents valid for a maximum of six months and may be updated, "
      "replaced, or obsoleted by other documents at any time. It is inappropriate to use "
      "Internet-Drafts as reference material or to cite them other than as /\xe2\x80\x9cwork in "
      "progress./\xe2\x80\x9d";
  const auto key = fixed<32>("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0");
  const Buffer additional = from_hex("f33388860000000000004e91");
  Buffer sealed(text.size() + 16);
  seal(key, 0x0807060504030201, bytes_of(text), additional, sealed);
  CHECK(same(base::Bytes(sealed).first(16), "64a0861575861af460f062c79be643bd"));
  CHECK(same(base::Bytes(sealed).last(16), "eead9d67890cbb22392336fea1851f38"));

  Buffer opened(text.size());
  REQUIRE(open(key, 0x0807060504030201, sealed, additional, opened));
  CHECK(std::ranges::equal(opened, bytes_of(text)));
  CHECK_FALSE(open(key, 0x0807060504030202, sealed, additional, opened));
  CHECK_FALSE(open(key, 0x0807060504030201, sealed, {}, opened));
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    Buffer tampered = sealed;
    tampered[at] ^= std::byte{1};
    CHECK_FALSE(open(key, 0x0807060504030201, tampered, additional, opened));
  }
}

TEST_CASE_METHOD(Libraries, "xseal and xopen are XChaCha20-Poly1305") {
  // draft-irtf-cfrg-xchacha-03, appendix A.3.1.
  const std::string_view text =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
      "sunscreen would be it.";
  const auto key = fixed<32>("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
  const auto nonce = fixed<24>("404142434445464748494a4b4c4d4e4f5051525354555657");
  const Buffer additional = from_hex("50515253c0c1c2c3c4c5c6c7");
  Buffer sealed(text.size() + 16);
  xseal(key, nonce, bytes_of(text), additional, sealed);
  CHECK(same(base::Bytes(sealed).first(16), "bd6d179d3e83d43b9576579493c0e939"));
  CHECK(same(base::Bytes(sealed).last(16), "c0875924c1c7987947deafd8780acf49"));
  Buffer opened(text.size());
  REQUIRE(xopen(key, nonce, sealed, additional, opened));
  CHECK(std::ranges::equal(opened, bytes_of(text)));
  CHECK_FALSE(xopen(key, nonce, sealed, {}, opened));
  sealed[0] ^= std::byte{1};
  CHECK_FALSE(xopen(key, nonce, sealed, additional, opened));
}

TEST_CASE_METHOD(Libraries, "what is shorter than a tag opens nothing") {
  const auto key = fixed<32>("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
  for (std::size_t size = 0; size < 16; ++size) {
    CHECK_FALSE(open(key, 0, Buffer(size), {}, {}));
    CHECK_FALSE(xopen(key, fixed<24>("404142434445464748494a4b4c4d4e4f5051525354555657"),
                      Buffer(size), {}, {}));
  }
}

TEST_CASE_METHOD(Libraries, "the second implementation's MACs and cookie are ours as well") {
  for (const auto& v : vectors::handshakes) {
    CAPTURE(v.name);
    const Buffer initiation = from_hex(v.initiation);
    const Buffer responder = from_hex(v.responder_public);
    CHECK(public_key_of(private_key(v.responder_private)) == public_key(v.responder_public));
    const base::Bytes all(initiation);
    const auto labelled = [&](std::string_view label) {
      base::Pieces pieces;
      pieces.add(bytes_of(label));
      pieces.add(responder);
      return hash(pieces);
    };
    CHECK(std::ranges::equal(mac(labelled("mac1----"), base::Pieces(all.first(116))),
                             all.subspan(116, 16)));
    const Buffer with_cookie = from_hex(v.initiation_with_cookie);
    CHECK(std::ranges::equal(
        mac(from_hex(v.cookie), base::Pieces(base::Bytes(with_cookie).first(132))),
        base::Bytes(with_cookie).last(16)));

    const Buffer reply = from_hex(v.cookie_reply);
    Buffer cookie(16);
    REQUIRE(xopen(labelled("cookie--"), fixed<24>(v.cookie_nonce), base::Bytes(reply).last(32),
                  all.subspan(116, 16), cookie));
    CHECK(same(cookie, v.cookie));
  }
}
