// The handshake against transcripts made by a second implementation, step by step and both ways.
#include "tests/support/catch.hpp"
#include "tests/support/lossy_wire.hpp"
#include "tests/vectors/handshake_vectors.hpp"
#include "tests/vectors/hex.hpp"
#include "wg/cookie.hpp"
#include "wg/noise.hpp"
#include "wg/session.hpp"

using namespace culvert;
using namespace culvert::wg;
using vectors::from_hex;
using Bytes = std::vector<std::byte>;

namespace {

// Gives out what it was told to, then fails the test.
class Script final : public base::Random {
 public:
  explicit Script(Bytes bytes) : bytes_(std::move(bytes)) {}
  void fill(base::MutableBytes out) noexcept override {
    BASE_ASSERT(out.size() <= bytes_.size() - used_);
    std::memcpy(out.data(), bytes_.data() + used_, out.size());
    used_ += out.size();
  }

 private:
  Bytes bytes_;
  std::size_t used_ = 0;
};

Key key_of(std::string_view hex) {
  const Bytes bytes = from_hex(hex);
  return Key(std::span(bytes).first<32>());
}
PublicKey public_of(std::string_view hex) {
  PublicKey key;
  const Bytes bytes = from_hex(hex);
  std::copy(bytes.begin(), bytes.end(), key.bytes.begin());
  return key;
}
Bytes copy(base::Bytes bytes) {
  return {bytes.begin(), bytes.end()};
}
template <class M>
Bytes wire(const M& message) {
  return copy(bytes_of(message));
}

// Both ends of one transcript.
struct Parties {
  explicit Parties(const vectors::Handshake& v)
      : initiator(key_of(v.initiator_private)),
        responder(key_of(v.responder_private)),
        to_responder(initiator, public_of(v.responder_public), key_of(v.preshared_key)),
        to_initiator(responder, public_of(v.initiator_public), key_of(v.preshared_key)) {
    const Bytes bytes = from_hex(v.timestamp);
    std::copy(bytes.begin(), bytes.end(), stamp.begin());
  }
  Identity initiator, responder;
  RemoteIdentity to_responder, to_initiator;
  Tai64n stamp{};
  base::Time now{std::chrono::seconds(1000)};
};

}  // namespace

TEST_CASE("public keys follow from the private ones of the transcripts", "[wg][handshake]") {
  for (const auto& v : vectors::handshakes) {
    CHECK(Parties(v).initiator.public_key == public_of(v.initiator_public));
    CHECK(Parties(v).responder.public_key == public_of(v.responder_public));
  }
}

TEST_CASE("an initiation is made byte for byte, with both MACs", "[wg][handshake]") {
  for (const auto& v : vectors::handshakes) {
    INFO(v.name);
    Parties p(v);
    Script random(from_hex(v.initiator_ephemeral));
    InitiatorHandshake handshake;
    Initiation message;
    REQUIRE(handshake.create_initiation(message, v.initiator_index, p.stamp, p.initiator,
                                        p.to_responder, random));
    CookieClient cookies(p.responder.public_key);
    cookies.sign(std::as_writable_bytes(std::span(&message, 1)), p.now);
    CHECK(wire(message) == from_hex(v.initiation));

    // The cookie reply to exactly this message, and then MAC2 in the same message.
    REQUIRE(cookies.consume_reply(read_as<CookieReply>(from_hex(v.cookie_reply)), p.now));
    cookies.sign(std::as_writable_bytes(std::span(&message, 1)), p.now);
    CHECK(wire(message) == from_hex(v.initiation_with_cookie));
  }
}

TEST_CASE("a responder reads the initiation and answers byte for byte", "[wg][handshake]") {
  for (const auto& v : vectors::handshakes) {
    INFO(v.name);
    Parties p(v);
    const Bytes datagram = from_hex(v.initiation);
    const auto message = read_as<Initiation>(datagram);
    CHECK(CookieServer(p.responder.private_key, p.responder.public_key).mac1_valid(datagram));
    auto received = consume_initiation(message, p.responder);
    REQUIRE(received);
    CHECK(received->static_key == p.initiator.public_key);
    CHECK(received->sender == v.initiator_index);
    const auto stamp = authenticate(*received, message, p.to_initiator);
    REQUIRE(stamp);
    CHECK(*stamp == p.stamp);
    CHECK(copy(received->transcript.hash) == from_hex(v.initiation_hash));
    CHECK(copy(received->transcript.chaining_key.bytes()) == from_hex(v.initiation_chaining_key));

    Script random(from_hex(v.responder_ephemeral));
    Response response;
    const auto keys =
        create_response(response, std::move(*received), v.responder_index, p.to_initiator, random);
    REQUIRE(keys);
    CHECK(copy(keys->send.bytes()) == from_hex(v.responder_to_initiator));
    CHECK(copy(keys->receive.bytes()) == from_hex(v.initiator_to_responder));
    CookieClient cookies(p.initiator.public_key);
    cookies.sign(std::as_writable_bytes(std::span(&response, 1)), p.now);
    CHECK(wire(response) == from_hex(v.response));
  }
}

TEST_CASE("the initiator's session seals and opens the recorded data", "[wg][handshake]") {
  for (const auto& v : vectors::handshakes) {
    INFO(v.name);
    Parties p(v);
    Script random(from_hex(v.initiator_ephemeral));
    InitiatorHandshake handshake;
    Initiation message;
    REQUIRE(handshake.create_initiation(message, v.initiator_index, p.stamp, p.initiator,
                                        p.to_responder, random));
    const auto response = read_as<Response>(from_hex(v.response));
    auto keys = handshake.consume_response(response, p.initiator, p.to_responder);
    REQUIRE(keys);
    CHECK(copy(keys->send.bytes()) == from_hex(v.initiator_to_responder));
    CHECK_FALSE(handshake.waiting());
    CHECK_FALSE(handshake.consume_response(response, p.initiator, p.to_responder));  // once

    Session session(std::move(*keys), v.initiator_index, response.sender, true, p.now);
    Bytes keepalive(data_overhead);
    session.seal(keepalive);
    CHECK(keepalive == from_hex(v.keepalive_0));
    const Bytes inner = from_hex(v.inner_packet), expected = from_hex(v.data_1);
    Bytes data(expected.size());
    std::copy(inner.begin(), inner.end(), data.begin() + sizeof(DataHeader));
    session.seal(data);
    CHECK(data == expected);

    const Bytes answer = from_hex(v.answer_0);
    Bytes plain(answer.size() - data_overhead);
    REQUIRE_FALSE(session.open(answer, plain, p.now));
    CHECK(Bytes(plain.begin(), plain.begin() + std::ptrdiff_t(inner.size())) == inner);
    CHECK(session.open(answer, plain, p.now) == base::Drop::replayed);
  }
}

TEST_CASE("the cookie of an address is the recorded one", "[wg][handshake][cookie]") {
  for (const auto& v : vectors::handshakes)
    CHECK(copy(cookie_of(from_hex(v.cookie_secret), *base::Endpoint::parse(v.cookie_source))) ==
          from_hex(v.cookie));
}

TEST_CASE("an initiation with any bit flipped is refused before its peer changes",
          "[wg][handshake]") {
  const auto& v = vectors::handshakes[1];
  Parties p(v);
  const Bytes good = from_hex(v.initiation);
  CookieServer cookies(p.responder.private_key, p.responder.public_key);
  // Behind the sender index, whose change only MAC1 and the transcript-free header notice.
  for (std::size_t at = 8; at < good.size() - 32; ++at) {
    Bytes bad = good;
    bad[at] ^= std::byte{1};
    CHECK_FALSE(cookies.mac1_valid(bad));
    const auto message = read_as<Initiation>(bad);
    auto received = consume_initiation(message, p.responder);
    CHECK_FALSE((received && authenticate(*received, message, p.to_initiator)));
  }
}

TEST_CASE("a failed response leaves the handshake waiting for the right one", "[wg][handshake]") {
  const auto& v = vectors::handshakes[1];
  Parties p(v);
  Script random(from_hex(v.initiator_ephemeral));
  InitiatorHandshake handshake;
  Initiation message;
  REQUIRE(handshake.create_initiation(message, v.initiator_index, p.stamp, p.initiator,
                                      p.to_responder, random));
  const Bytes good = from_hex(v.response);
  for (std::size_t at = 12; at < good.size() - 32; ++at) {
    Bytes bad = good;
    bad[at] ^= std::byte{0x10};
    CHECK_FALSE(handshake.consume_response(read_as<Response>(bad), p.initiator, p.to_responder));
  }
  CHECK(handshake.consume_response(read_as<Response>(good), p.initiator, p.to_responder));
}

TEST_CASE("stamps are TAI64N, whitened to 24 bits, and go up on their raster", "[wg][handshake]") {
  const auto at = [](std::int64_t s, std::int64_t ns) {
    return tai64n(base::WallTime(std::chrono::seconds(s) + std::chrono::nanoseconds(ns)));
  };
  for (const auto& v : vectors::handshakes)
    CHECK(copy(at(v.unix_seconds, v.nanoseconds)) == from_hex(v.timestamp));
  CHECK(copy(at(0, 0)) == from_hex("400000000000000a00000000"));
  CHECK(at(1, 1) == at(1, 0xffffff));
  CHECK(at(1, 0xffffff) < at(1, 0x1000000));
  CHECK(at(1, 999'999'999) < at(2, 0));
  CHECK(next_stamp(at(5, 0)) == at(5, 0x1000000));
  CHECK(next_stamp(at(5, 999'999'999)) == at(6, 0));
  CHECK(next_stamp(at(0xfffffff5, 999'999'999)) == at(0xfffffff6, 0));  // carries over 32 bits
}

TEST_CASE("a session ends by its counter, in both directions", "[wg][session]") {
  const auto keys = [] {
    TransportKeys k;
    k.send.mutable_bytes()[0] = std::byte{1};
    k.receive.mutable_bytes()[0] = std::byte{1};
    return k;
  };
  const base::Time now{1000 * std::chrono::seconds(1)};
  Session old(keys(), 1, 2, false, now, reject_after_messages - 1);
  Session fresh(keys(), 2, 1, true, now);
  CHECK(old.can_send(now));
  CHECK(old.rekey_due_on_send(now));
  CHECK_FALSE(fresh.rekey_due_on_send(now));
  Bytes last(data_overhead);
  old.seal(last);
  CHECK_FALSE(old.can_send(now));
  CHECK_FALSE(fresh.open(last, {}, now));
  std::fill(last.begin() + 8, last.begin() + 16, std::byte{0xff});
  CHECK(fresh.open(last, {}, now) == base::Drop::key_expired);
}

TEST_CASE("a session is no good at 180 seconds, in both directions", "[wg][session]") {
  using namespace std::chrono_literals;
  const base::Time born{1000s};
  TransportKeys same, again;
  Session sender(std::move(same), 1, 2, true, born), receiver(std::move(again), 2, 1, false, born);
  Bytes early(data_overhead), late(data_overhead);
  sender.seal(early);
  sender.seal(late);
  CHECK(sender.can_send(born + 180s - 1ns));
  CHECK_FALSE(sender.can_send(born + 180s));
  CHECK_FALSE(receiver.open(early, {}, born + 180s - 1ns));
  CHECK(receiver.open(late, {}, born + 180s) == base::Drop::key_expired);
  CHECK_FALSE(sender.rekey_due_on_send(born + 120s - 1ns));
  CHECK(sender.rekey_due_on_send(born + 120s));
  CHECK_FALSE(receiver.rekey_due_on_send(born + 179s));  // a responder does not rekey by age
  CHECK_FALSE(sender.rekey_due_on_receive(born + 165s - 1ns));
  CHECK(sender.rekey_due_on_receive(born + 165s));
  CHECK_FALSE(receiver.rekey_due_on_receive(born + 179s));
}
