// RDATA by itself: what a record says once its message is gone, for the cache and for answers that
// are put together anew. The names of the types that may compress them are written out in full
// (RFC 3597 section 4); RDATA of types that culvert knows is checked to be what the type says, of
// others it is opaque.
#pragma once

#include <optional>

#include "dns/message.hpp"

namespace culvert::dns {

// In `out`, or where it lies in the message if it holds no name of that kind. None if it is
// malformed or does not fit; 255 octets a name more than record.rdata always do. Case is kept.
std::optional<base::Bytes> read_rdata(const MessageReader& reader, const Record& record,
                                      base::MutableBytes out) noexcept;

// Is it what the type says, as it stands in the message? True for types that are not known.
bool readable_rdata(const MessageReader& reader, const Record& record) noexcept;

// Is it what the type says, without compression? True for types that are not known.
bool well_formed_rdata(std::uint16_t type, base::Bytes rdata) noexcept;

}  // namespace culvert::dns
