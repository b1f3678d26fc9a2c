// A DNS question as a worker tells of it.
#pragma once

#include <algorithm>
#include <string_view>

#include "dns/name.hpp"
#include "dns/query_record.hpp"
#include "dns/types.hpp"

namespace culvert::control {

inline dns::QueryRecord question(std::uint32_t peer, std::string_view name,
                                 dns::QueryRecord::How how = dns::QueryRecord::How::forwarded) {
  dns::QueryRecord record;
  record.time = 1'796'289'302'123'000'000;
  record.peer = peer;
  record.type = dns::type::a;
  record.how = how;
  const dns::Name parsed = *dns::Name::parse(name);
  const base::Bytes wire = parsed.wire();
  record.name_size = std::uint8_t(wire.size());
  std::ranges::copy(wire, record.name.begin());
  return record;
}

}  // namespace culvert::control
