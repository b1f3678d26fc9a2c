// Hand-made DNS messages and answers in words, for the tests of dns/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dns/message_writer.hpp"
#include "dns/rdata.hpp"

namespace culvert::test {

using Octets = std::vector<std::byte>;

inline dns::Name name(std::string_view text) {
  return dns::Name::parse(text).value();
}

// "0102 ff 'abc" : hexadecimal, blanks mean nothing, an apostrophe begins text up to a blank.
inline Octets octets(std::string_view text) {
  Octets out;
  int high = -1;
  bool quoted = false;
  for (const char c : text) {
    if (c == ' ' || c == '\n') {
      quoted = false;
    } else if (quoted) {
      out.push_back(std::byte(c));
    } else if (c == '\'') {
      quoted = true;
    } else {
      const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
      if (high >= 0) out.push_back(std::byte(high << 4 | digit));
      high = high >= 0 ? -1 : digit;
    }
  }
  return out;
}

inline Octets operator+(Octets a, const Octets& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// A query as clients send them; `edns` 0 = without OPT.
inline Octets query(std::string_view qname, std::uint16_t type, std::uint16_t edns = 0) {
  Octets out = octets(edns ? "1234 0100 0001 0000 0000 0001" : "1234 0100 0001 0000 0000 0000");
  const dns::Name parsed = name(qname);
  out = out + Octets(parsed.wire().begin(), parsed.wire().end());
  const auto put16 = [&](unsigned value) {
    out.push_back(std::byte(value >> 8));
    out.push_back(std::byte(value & 0xff));
  };
  put16(type), put16(1);
  if (edns != 0) out = out + octets("00 0029"), put16(edns), out = out + octets("00000000 0000");
  return out;
}

inline std::string hex(base::Bytes bytes) {
  std::string out;
  for (const std::byte b : bytes) {
    out += "0123456789abcdef"[std::to_integer<unsigned>(b) >> 4];
    out += "0123456789abcdef"[std::to_integer<unsigned>(b) & 15];
  }
  return out;
}

// RDATA of the types the tests look at in presentation form, others as hexadecimal digits.
inline std::string rdata_text(std::uint16_t type, base::Bytes rdata) {
  namespace types = dns::type;
  if (type == types::a) return base::IpAddress::v4(rdata.first<4>()).to_string();
  if (type == types::aaaa) return base::IpAddress::v6(rdata.first<16>()).to_string();
  if (type == types::cname || type == types::ptr || type == types::ns)
    return dns::Name::from_wire(rdata).value().to_string();
  if (type == types::soa) {
    dns::Name zone;
    dns::Name::read(rdata, zone);
    return zone.to_string();
  }
  return hex(rdata);
}

// "NOERROR", then one line a record but OPT: "answer www.example.com 60 A 192.0.2.1".
inline std::string in_words(base::Bytes message) {
  dns::MessageReader reader(message);
  std::string out(dns::rcode_text(reader.header().rcode));
  if (reader.header().authoritative) out += " aa";
  if (reader.header().truncated) out += " tc";
  dns::Record record;
  std::vector<std::byte> room(70'000);
  while (reader.next(record)) {
    if (record.type == dns::type::opt) continue;
    constexpr const char* sections[] = {"answer ", "authority ", "additional "};
    const auto rdata = dns::read_rdata(reader, record, room);
    out += std::string("\n") + sections[static_cast<int>(record.section)] +
           record.owner.to_string() + " " + std::to_string(record.ttl) + " " +
           dns::type_text(record.type) + " " +
           (rdata ? rdata_text(record.type, *rdata) : std::string("malformed"));
  }
  return out + (reader.failed() || !reader.at_end() ? "\nmalformed" : "");
}

}  // namespace culvert::test
