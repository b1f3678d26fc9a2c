// FlowRecord: what is told of one flow, when it ends, at intervals while it lasts, and to who asks.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "base/ip.hpp"
#include "base/shared_ring.hpp"

namespace culvert::proxy {

// One direction. Packets and bytes are inner IP packets, headers included, as IPFIX counts
// (packetTotalCount, octetTotalCount); payload is what the TCP stream or the datagrams carried
// between client and origin, each byte once.
struct FlowTraffic {
  std::uint64_t packets = 0, bytes = 0, payload = 0;
};

struct FlowRecord {
  // The values of flowEndReason (RFC 5102 section 5.11.3) where it has one.
  enum class End : std::uint8_t {
    none = 0,      // it goes on; asked for
    idle = 1,      // idle timeout
    interim = 2,   // active timeout: it goes on
    finished = 3,  // FIN both ways, RST, or the mapping was closed
    forced = 4,    // the peer was removed or stopped, or the server is about to end
    lack = 5,      // a limit: made room for another
  };
  enum class State : std::uint8_t { dialling, handshake, open, half_closed, closed };

  std::uint64_t id = 0;    // of its worker; the same in all records of a flow
  std::uint32_t peer = 0;  // its slot
  End end = End::none;
  State state = State::open;
  bool forward = false;                // opened from outside, by a port forward
  base::FlowKey key;                   // a UDP mapping has one record for each origin it spoke to
  std::int64_t started = 0, last = 0;  // first and last packet; nanoseconds since the Unix epoch
  FlowTraffic up, down;                // totals since `started`, not since the last record
  // The name under which our DNS told the client of the address, if its names may be written down;
  // of one that is too long the end. Another process wrote it: domain() keeps to the bounds.
  std::uint8_t domain_size = 0;
  std::array<char, 127> domain_text{};

  std::string_view domain() const noexcept {
    return {domain_text.data(), std::min<std::size_t>(domain_size, domain_text.size())};
  }
  void set_domain(std::string_view name) noexcept {
    name.remove_prefix(name.size() - std::min(name.size(), domain_text.size()));
    domain_size = std::uint8_t(name.copy(domain_text.data(), name.size()));
  }
};
static_assert(std::is_trivially_copyable_v<FlowRecord>);

std::string_view to_string(FlowRecord::End end) noexcept;
std::string_view to_string(FlowRecord::State state) noexcept;

// From a worker to the supervisor. 5,000 flows a second fill it in 3 s; the supervisor empties it
// every 100 ms.
using FlowRing = base::SharedRing<FlowRecord, 16384>;

}  // namespace culvert::proxy
