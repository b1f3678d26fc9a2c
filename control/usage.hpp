// Usage: what was counted of a peer or a group over some time.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/counters.hpp"

namespace culvert::control {

// Sums over some time. Byte counts as in PeerCounters.
struct Usage {
  std::uint64_t up_bytes = 0, up_packets = 0, down_bytes = 0, down_packets = 0;  // inner packets
  std::uint64_t up_payload = 0, down_payload = 0;                                // TCP and UDP
  std::uint64_t rx_bytes = 0, tx_bytes = 0;                                      // outer
  std::uint64_t flows = 0, denied = 0, handshakes = 0;

  Usage& operator+=(const Usage& other) noexcept;
  friend Usage operator-(const Usage& a, const Usage& b) noexcept;
  friend bool operator==(const Usage&, const Usage&) = default;
  bool empty() const noexcept { return *this == Usage{}; }
  std::uint64_t inner() const noexcept { return up_bytes + down_bytes; }  // what a quota counts
};

// Every field with its name in the database and in exports.
struct UsageField {
  std::string_view name;
  std::uint64_t Usage::*value;
};
inline constexpr std::array<UsageField, 11> usage_fields{{{"up_bytes", &Usage::up_bytes},
                                                          {"up_packets", &Usage::up_packets},
                                                          {"down_bytes", &Usage::down_bytes},
                                                          {"down_packets", &Usage::down_packets},
                                                          {"up_payload", &Usage::up_payload},
                                                          {"down_payload", &Usage::down_payload},
                                                          {"rx_bytes", &Usage::rx_bytes},
                                                          {"tx_bytes", &Usage::tx_bytes},
                                                          {"flows", &Usage::flows},
                                                          {"denied", &Usage::denied},
                                                          {"handshakes", &Usage::handshakes}}};
static_assert(sizeof(Usage) == usage_fields.size() * sizeof(std::uint64_t));

Usage usage_of(const base::PeerCounters& counters) noexcept;
// Did any of them run backwards, as those of a slot do that another peer was given?
bool ran_backwards(const Usage& before, const Usage& after) noexcept;

}  // namespace culvert::control
