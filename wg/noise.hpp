// The handshake, Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (WireGuard paper, section 5.4), without any
// policy: who may shake hands and when is decided in peer.cpp and device.cpp.
//
// The initiator's half waits for an answer, so it is a class that a peer keeps. The responder's
// half lives only while one datagram is handled: consume_initiation (one DH, tells who it claims to
// be), then authenticate (proves it), then create_response. Nothing of a peer changes before the
// last AEAD has succeeded, and every secret in between wipes itself.
#pragma once

#include <optional>

#include "base/random.hpp"
#include "base/time.hpp"
#include "wg/messages.hpp"

namespace culvert::wg {

// Our static key pair.
struct Identity {
  explicit Identity(PrivateKey key) noexcept;
  PrivateKey private_key;
  PublicKey public_key;
};

// What a handshake needs to know about a peer.
struct RemoteIdentity {
  RemoteIdentity(const Identity& ours, const PublicKey& theirs, PresharedKey psk) noexcept;
  PublicKey public_key;
  PresharedKey preshared_key;
  std::optional<Key> static_static;  // DH(ours, theirs); none for a low-order key: never usable
};

struct TransportKeys {
  Key send, receive;
};

// C and H of the paper: what both sides have agreed on so far.
struct Transcript {
  Key chaining_key;
  Hash32 hash{};

  static Transcript start(const PublicKey& responder) noexcept;
  void mix_hash(base::Bytes input) noexcept;           // H := HASH(H || input)
  void mix_key(base::Bytes input) noexcept;            // C := KDF1(C, input)
  Key mix_key_and_derive(base::Bytes input) noexcept;  // (C, k) := KDF2(C, input)
};

class InitiatorHandshake {
 public:
  // False if the peer's key allows no secret.
  bool create_initiation(Initiation& out, std::uint32_t our_index, const Tai64n& stamp,
                         const Identity& ours, const RemoteIdentity& theirs,
                         base::Random& random) noexcept;
  // Ends the wait if it succeeds, changes nothing if not.
  std::optional<TransportKeys> consume_response(const Response& response, const Identity& ours,
                                                const RemoteIdentity& theirs) noexcept;
  bool waiting() const noexcept { return waiting_; }
  void clear() noexcept;

 private:
  PrivateKey ephemeral_;
  Transcript transcript_;
  bool waiting_ = false;
};

struct ReceivedInitiation {
  PublicKey static_key;  // claimed until authenticate() succeeds
  PublicKey ephemeral;
  std::uint32_t sender = 0;
  Transcript transcript;
};

std::optional<ReceivedInitiation> consume_initiation(const Initiation& message,
                                                     const Identity& ours) noexcept;
// The initiation's timestamp, if it is from `theirs`.
std::optional<Tai64n> authenticate(ReceivedInitiation& received, const Initiation& message,
                                   const RemoteIdentity& theirs) noexcept;
// Uses `received` up. Nothing if a DH fails.
std::optional<TransportKeys> create_response(Response& out, ReceivedInitiation received,
                                             std::uint32_t our_index, const RemoteIdentity& theirs,
                                             base::Random& random) noexcept;

// TAI64N with the low 24 bits of the nanoseconds cleared, so that it does not tell our clock.
Tai64n tai64n(base::WallTime wall) noexcept;
// The next value of that raster.
Tai64n next_stamp(const Tai64n& stamp) noexcept;

}  // namespace culvert::wg
