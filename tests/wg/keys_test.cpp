#include "wg/keys.hpp"

#include <set>

#include "tests/support/catch.hpp"
#include "tests/vectors/hex.hpp"
#include "wg/crypto.hpp"

using namespace culvert;
using namespace culvert::wg;

namespace {

// Counts up, so that every draw differs and none is random.
class CountingRandom final : public base::Random {
 public:
  void fill(base::MutableBytes out) noexcept override {
    for (std::byte& b : out) b = static_cast<std::byte>(next_++);
  }

 private:
  unsigned char next_ = 0xf7;
};

const bool ready = (init_crypto(), true);

// A pair as `wg genkey | wg pubkey` prints it: RFC 7748 section 6.1, Alice.
constexpr auto alice_private = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=";
constexpr auto alice_public = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";

}  // namespace

TEST_CASE("a public key's text is its base64 and back") {
  const auto key = PublicKey::parse(alice_public);
  REQUIRE(key);
  CHECK(key->to_string() == alice_public);
  CHECK(key->bytes[0] == std::byte{0x85});
  CHECK(key->bytes[31] == std::byte{0x6a});
}

TEST_CASE("the public key of a private key is that of RFC 7748 section 6.1") {
  const auto key = parse_secret_key(alice_private);
  REQUIRE(key);
  CHECK(public_key_of(*key).to_string() == alice_public);
  CHECK(secret_key_text(*key) == alice_private);
}

TEST_CASE("text that is not exactly one key is refused") {
  const std::string good = alice_public;
  const std::string bad[] = {
      "",
      good.substr(0, 43),                              // no padding
      good + "=",                                      // too long
      good + "\n",                                     //
      " " + good.substr(0, 42) + "=",                  // white space
      good.substr(0, 20) + "\n" + good.substr(21),     // white space inside
      good.substr(0, 20) + "-" + good.substr(21),      // the URL alphabet
      good.substr(0, 20) + "\xff" + good.substr(21),   // no character at all
      good.substr(0, 42) + "p=",                       // bits behind the last byte
      good.substr(0, 42) + "==",                       // 31 bytes
      "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo\0"  // 43 characters and a zero
  };
  for (const std::string& text : bad) {
    CAPTURE(text);
    CHECK_FALSE(PublicKey::parse(text));
    CHECK_FALSE(parse_secret_key(text));
  }
  CHECK_FALSE(PublicKey::parse(std::string_view(good.c_str(), 43).substr(0, 43)));
  std::string zero_at_end = good;
  zero_at_end[43] = '\0';
  CHECK_FALSE(PublicKey::parse(zero_at_end));
}

TEST_CASE("a generated private key is clamped and each is new") {
  CountingRandom random;
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const PrivateKey key = generate_private_key(random);
    CHECK((key.bytes()[0] & std::byte{7}) == std::byte{0});
    CHECK((key.bytes()[31] & std::byte{0xc0}) == std::byte{0x40});
    seen.insert(secret_key_text(key));
  }
  CHECK(seen.size() == 8);  // the source repeats after 256 bytes
}

TEST_CASE("a generated preshared key is every bit of what the source gave") {
  CountingRandom random;
  const PresharedKey key = generate_preshared_key(random);
  for (unsigned i = 0; i < key_size; ++i)
    CHECK(std::to_integer<unsigned>(key.bytes()[i]) == (0xf7 + i) % 256);
}

TEST_CASE("one worker owns every key, many share them evenly, and the answer is always the same") {
  CountingRandom random;
  std::array<int, 4> shares{};
  base::SystemRandom system;
  for (int i = 0; i < 400; ++i) {
    const PublicKey key = public_key_of(generate_private_key(system));
    CHECK(owner_of(key, 1) == 0);
    const unsigned owner = owner_of(key, 4);
    REQUIRE(owner < 4);
    CHECK(owner == owner_of(*PublicKey::parse(key.to_string()), 4));
    ++shares[owner];
  }
  // 100 +- 8.7 each; less than 40 happens once in 10^11 runs.
  for (int share : shares) CHECK(share > 40);
}
