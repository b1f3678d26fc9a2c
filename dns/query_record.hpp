// QueryRecord: what is told of one question, from a worker to the supervisor; only of clients whose
// policy lets names be written (LogPrivacy).
#pragma once

#include <array>
#include <cstdint>

#include "base/ip.hpp"
#include "base/shared_ring.hpp"
#include "dns/verdict.hpp"

namespace culvert::dns {

struct QueryRecord {
  // How it was answered.
  enum class How : std::uint8_t {
    local,
    cached,
    stale,
    forwarded,
    blocked,
    rewritten,
    failed,
    refused
  };

  std::int64_t time = 0;   // nanoseconds since the Unix epoch
  std::uint32_t peer = 0;  // its slot
  std::uint32_t took = 0;  // microseconds
  std::uint16_t type = 0;
  std::uint16_t rcode = 0;
  How how = How::forwarded;
  Reason reason = Reason::none;
  std::uint16_t list = 0;     // of Reason::list
  std::uint8_t upstream = 0;  // of How::forwarded: by Upstreams::all()
  bool tcp = false;
  bool by_chain = false;
  base::IpAddress address;  // the first of the answer, if any
  std::uint8_t name_size = 0;
  std::array<std::byte, 255> name{};  // lower-cased wire form
};
static_assert(std::is_trivially_copyable_v<QueryRecord>);

std::string_view to_string(QueryRecord::How how) noexcept;

using QueryRing = base::SharedRing<QueryRecord, 8192>;

}  // namespace culvert::dns
