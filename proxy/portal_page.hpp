// The page that a client is shown of itself: what it has used, its quota, and why it is stopped.
#pragma once

#include <cstdint>
#include <string>

#include "base/controls.hpp"

namespace culvert::proxy {

struct ClientState;

struct PageFacts {
  std::string name;
  base::Stop stop = base::Stop::none;
  std::uint64_t used = 0, quota = 0;  // bytes; quota 0 = none
  bool slowed = false;                // over its quota, and only slowed down
  std::int64_t resets_at = 0;         // seconds since the Unix epoch; 0 = never
  std::int64_t utc_offset = 0;        // of the time zone to show it in
};

PageFacts facts_of(const ClientState& client);

// A whole HTML document, UTF-8, without scripts.
std::string page(const PageFacts& facts);

// "1.25 GB", "512 bytes": decimal, as quotas are set.
std::string bytes_text(std::uint64_t bytes);
// "2026-12-01 00:00 (UTC+01:00)"
std::string time_text(std::int64_t seconds, std::int64_t utc_offset);

}  // namespace culvert::proxy
