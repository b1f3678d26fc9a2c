// RDATA from its presentation form (RFC 1035 section 5.1, RFC 9460 section 2.1): the value of a
// [[dns.record]] and of rules that rewrite to records. For the configuration, not for packets.
//
// A, AAAA, CNAME, DNAME, NS, PTR, MX, SRV, TXT, HINFO, CAA, SVCB and HTTPS; `\# LENGTH HEX` for
// these and every other type (RFC 3597). Names are whole ones, with or without the last dot. A TXT
// value without quotes is one string as it stands, and longer ones than 255 octets are cut into
// several.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace culvert::dns {

using Rdata = std::vector<std::byte>;

base::Result<Rdata> parse_rdata(std::uint16_t type, std::string_view value);

// Words of presentation form: parted by blanks outside of quotes. Quotes are taken away, escapes
// left in their place.
struct RecordWord {
  std::string_view text;
  bool quoted = false;
};
base::Result<std::vector<RecordWord>> split_words(std::string_view value);
// Resolves the escapes \X and \DDD of a character-string, of any length.
base::Result<std::string> unescape(std::string_view text);
// For messages: at most 64 octets, nothing that cannot be printed, in quotes.
std::string shown(std::string_view text);

// The words behind "HTTPS" (service_text.cpp).
base::Result<Rdata> parse_service(const std::vector<RecordWord>& words);

}  // namespace culvert::dns
