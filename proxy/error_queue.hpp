// What a socket's error queue (ip(7), IP_RECVERR) says: which of our datagrams failed, why, and
// which router or host said so; translated to the ICMP error that the client gets.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/ip.hpp"
#include "base/pieces.hpp"
#include "netstack/stack.hpp"

namespace culvert::proxy {

struct SocketError {
  int error = 0;                            // errno
  base::Endpoint target;                    // where the failed packet was going
  base::IpAddress offender;                 // who reported it; none = this host's own kernel
  std::optional<netstack::IcmpError> icmp;  // none: nothing a client should hear of
  std::uint32_t mtu = 0;                    // with too_big
  std::array<std::byte, 256> payload;  // the start of what the report quotes of the failed packet
  std::size_t payload_size = 0;
};

// The next entry; none when the queue is empty.
std::optional<SocketError> next_socket_error(int fd) noexcept;

// ICMP type and code to what the client is told; none for types that are no answer to a packet.
std::optional<netstack::IcmpError> from_icmp4(std::uint8_t type, std::uint8_t code) noexcept;
std::optional<netstack::IcmpError> from_icmp6(std::uint8_t type, std::uint8_t code) noexcept;
// An errno of connect or send, where no ICMP message tells more.
std::optional<netstack::IcmpError> from_errno(int error) noexcept;

}  // namespace culvert::proxy
