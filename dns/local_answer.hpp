// What LocalZone knows of one name, and how it is written into an answer.
#pragma once

#include "dns/local_tree.hpp"
#include "dns/local_zone.hpp"
#include "dns/reverse_map.hpp"

namespace culvert::dns {

inline constexpr std::uint32_t peer_ttl = 60;  // they come and go

// What there is for one name.
struct LocalFound {
  LocalZone::Kind kind = LocalZone::Kind::no;
  const LocalRdatas* records = nullptr;
  const std::vector<base::IpAddress>* addresses = nullptr;  // of a peer
  const ReverseMap::Pointers* pointers = nullptr;           // of an address
  bool exists = false;
  base::Bytes zone;  // whose SOA says that there is nothing; empty: the name's own
};

// The records of the type, or all for ANY; true if there were any.
bool write_records(AnswerWriter& writer, const Name& name, std::uint16_t type,
                   const LocalFound& found) noexcept;
const LocalRdata* find_cname(const LocalFound& found) noexcept;
// What a zone says of itself: SOA and NS (RFC 6303 section 3); true if it was asked for that.
bool write_apex(AnswerWriter& writer, const Name& name, std::uint16_t type, const LocalFound& found,
                std::uint32_t ttl) noexcept;
// NODATA or NXDOMAIN, with the SOA.
void write_nothing(AnswerWriter& writer, const Name& name, const LocalFound& found,
                   std::uint32_t ttl) noexcept;

}  // namespace culvert::dns
