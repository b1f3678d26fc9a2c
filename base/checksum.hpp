// The Internet checksum (RFC 1071), folded; the fast one that lwIP is given as well.
#pragma once

#include <cstdint>

#include "base/ip.hpp"
#include "base/pieces.hpp"

namespace culvert::base {

// One's-complement sum of `data` as big-endian 16-bit words (an odd tail is padded with zero), added
// to `sum`. Sums of parts may be chained if every part but the last has even length.
std::uint64_t checksum_add(Bytes data, std::uint64_t sum = 0) noexcept;

// The sum of the TCP/UDP/ICMPv6 pseudo header (RFC 768, RFC 8200 section 8.1).
std::uint64_t pseudo_header_sum(const IpAddress& source, const IpAddress& destination,
                                std::uint8_t protocol, std::uint32_t length) noexcept;

// Folds to 16 bits and complements: the value of a checksum field, host order; and what a correct
// packet sums to is 0.
std::uint16_t checksum_finish(std::uint64_t sum) noexcept;

}  // namespace culvert::base
