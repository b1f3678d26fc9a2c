// The four messages on the wire and every constant of the protocol (WireGuard paper, sections 5.4
// and 6.1), under the paper's names. Wire structs are made of bytes only: no padding, no alignment,
// any datagram may be copied into one. Used by everything in wg/ but the socket.
#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>

#include "base/pieces.hpp"
#include "wg/aead.hpp"
#include "wg/crypto.hpp"
#include "wg/keys.hpp"

namespace culvert::wg {

// Section 6.1, and what the kernel's implementation adds to it.
inline constexpr std::uint64_t rekey_after_messages = std::uint64_t(1) << 60;
inline constexpr std::uint64_t reject_after_messages = UINT64_MAX - (std::uint64_t(1) << 13);
inline constexpr std::chrono::seconds rekey_after_time{120};
inline constexpr std::chrono::seconds reject_after_time{180};
inline constexpr std::chrono::seconds rekey_timeout{5};
inline constexpr std::chrono::seconds rekey_attempt_time{90};
inline constexpr std::chrono::seconds keepalive_timeout{10};
inline constexpr std::chrono::seconds cookie_lifetime{120};
inline constexpr std::chrono::milliseconds max_jitter{333};
inline constexpr std::chrono::seconds key_wipe_time = 3 * reject_after_time;
inline constexpr unsigned max_handshake_sends = 20;  // 1 + 90 s / 5 s, and one more to round up
inline constexpr std::chrono::milliseconds min_initiation_gap{20};  // accepted, per peer
inline constexpr std::size_t max_staged_packets = 128;
inline constexpr std::size_t padding_multiple = 16;

inline constexpr std::uint8_t handshake_tos = 0x88;  // AF41
inline constexpr std::uint8_t data_tos = 0;

static_assert(std::endian::native == std::endian::little, "wire integers are copied as they are");

// A little-endian integer on the wire.
template <class T>
struct Little {
  std::array<std::byte, sizeof(T)> bytes{};

  Little() = default;
  Little(T value) noexcept { std::memcpy(bytes.data(), &value, sizeof value); }
  operator T() const noexcept {
    T value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
};
using Le32 = Little<std::uint32_t>;
using Le64 = Little<std::uint64_t>;

// One type byte and three reserved zero bytes, read as one word.
enum class MessageType : std::uint32_t { initiation = 1, response = 2, cookie_reply = 3, data = 4 };

using Tai64n = std::array<std::byte, 12>;  // big-endian, so that bytes compare as times do

struct Initiation {
  Le32 type = std::uint32_t(MessageType::initiation);
  Le32 sender;
  PublicKey ephemeral;
  std::array<std::byte, key_size + tag_size> sealed_static{};
  std::array<std::byte, sizeof(Tai64n) + tag_size> sealed_timestamp{};
  Mac16 mac1{}, mac2{};
};
static_assert(sizeof(Initiation) == 148 && alignof(Initiation) == 1);

struct Response {
  Le32 type = std::uint32_t(MessageType::response);
  Le32 sender, receiver;
  PublicKey ephemeral;
  std::array<std::byte, tag_size> sealed_nothing{};
  Mac16 mac1{}, mac2{};
};
static_assert(sizeof(Response) == 92 && alignof(Response) == 1);

struct CookieReply {
  Le32 type = std::uint32_t(MessageType::cookie_reply);
  Le32 receiver;
  std::array<std::byte, 24> nonce{};
  std::array<std::byte, sizeof(Mac16) + tag_size> sealed_cookie{};
};
static_assert(sizeof(CookieReply) == 64 && alignof(CookieReply) == 1);

struct DataHeader {
  Le32 type = std::uint32_t(MessageType::data);
  Le32 receiver;
  Le64 counter;
};
static_assert(sizeof(DataHeader) == 16 && alignof(DataHeader) == 1);
inline constexpr std::size_t data_overhead = sizeof(DataHeader) + tag_size;  // = an empty message

// The bytes of a wire struct, and back; `from` has at least sizeof(M) bytes.
template <class M>
base::Bytes bytes_of(const M& message) noexcept {
  static_assert(std::is_trivially_copyable_v<M> && alignof(M) == 1);
  return std::as_bytes(std::span(&message, 1));
}
template <class M>
M read_as(base::Bytes from) noexcept {
  static_assert(std::is_trivially_copyable_v<M> && alignof(M) == 1);
  M message;
  std::memcpy(&message, from.data(), sizeof message);
  return message;
}

// What a datagram says it is; nothing if it is none of ours.
inline std::optional<MessageType> message_type(base::Bytes datagram) noexcept {
  if (datagram.size() < sizeof(Le32)) return std::nullopt;
  const std::uint32_t type = read_as<Le32>(datagram);
  const bool known =
      type >= std::uint32_t(MessageType::initiation) && type <= std::uint32_t(MessageType::data);
  return known ? std::optional(MessageType(type)) : std::nullopt;
}

// Handshake messages have one size each, data any from that of a keepalive up.
inline bool size_fits(MessageType type, std::size_t size) noexcept {
  switch (type) {
    case MessageType::initiation:
      return size == sizeof(Initiation);
    case MessageType::response:
      return size == sizeof(Response);
    case MessageType::cookie_reply:
      return size == sizeof(CookieReply);
    case MessageType::data:
      return size >= data_overhead;
  }
  return false;
}

}  // namespace culvert::wg
