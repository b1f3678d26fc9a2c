// Messages as upstreams send them, put together by hand: also wrong ones.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/headers.hpp"
#include "dns/message.hpp"

namespace culvert::dns::test {

inline Name name(std::string_view text) {
  return Name::parse(text).value();
}

using Octets = std::vector<std::byte>;

inline Octets octets(std::initializer_list<unsigned> values) {
  Octets out;
  for (const unsigned value : values) out.push_back(std::byte(value));
  return out;
}
inline Octets wire(std::string_view text) {
  const Name read = name(text);
  return {read.wire().begin(), read.wire().end()};
}
inline Octets operator+(const Octets& a, const Octets& b) {
  Octets out;
  for (const Octets* part : {&a, &b})
    for (const std::byte octet : *part) out.push_back(octet);
  return out;
}
inline Octets address(std::string_view text) {
  const base::IpAddress read = base::IpAddress::parse(text).value();
  return {read.bytes().begin(), read.bytes().end()};
}

class AnswerBuilder {
 public:
  AnswerBuilder(std::string_view asked, std::uint16_t type, std::uint16_t rcode = 0) {
    out_.resize(header_size);
    out_[2] = std::byte{0x81};
    out_[3] = std::byte(0x80 | rcode);
    out_[5] = std::byte{1};
    append(wire(asked));
    u16(type);
    u16(class_::in);
  }
  AnswerBuilder& flag(std::size_t at, unsigned bits) {
    out_[at] |= std::byte(bits);
    return *this;
  }
  // Section 0 answer, 1 authority, 2 additional.
  AnswerBuilder& add(std::size_t section, std::string_view owner, std::uint16_t type,
                     std::uint32_t ttl, const Octets& rdata, std::uint16_t class_ = 1) {
    return raw(section, wire(owner), type, ttl, rdata, class_);
  }
  // The owner may be a pointer.
  AnswerBuilder& raw(std::size_t section, const Octets& owner, std::uint16_t type,
                     std::uint32_t ttl, const Octets& rdata, std::uint16_t class_ = 1) {
    append(owner);
    u16(type);
    u16(class_);
    u16(ttl >> 16);
    u16(ttl & 0xffff);
    u16(std::uint32_t(rdata.size()));
    append(rdata);
    std::byte* const count = out_.data() + 6 + 2 * section;
    base::store_be16(count, std::uint16_t(base::load_be16(count) + 1));
    return *this;
  }
  AnswerBuilder& a(std::string_view owner, std::string_view to, std::uint32_t ttl = 300) {
    return add(0, owner, to.find(':') == to.npos ? type::a : type::aaaa, ttl, address(to));
  }
  AnswerBuilder& cname(std::string_view owner, std::string_view to, std::uint32_t ttl = 300) {
    return add(0, owner, type::cname, ttl, wire(to));
  }
  AnswerBuilder& soa(std::string_view zone, std::uint32_t ttl, std::uint32_t minimum) {
    Octets rdata = wire("ns." + std::string(zone)) + wire("mail." + std::string(zone));
    for (const std::uint32_t value : {1u, 2u, 3u, 4u, minimum})
      for (unsigned shift = 32; shift > 0; shift -= 8)
        rdata.push_back(std::byte(value >> (shift - 8)));
    return add(1, zone, type::soa, ttl, rdata);
  }
  // A signature of records of `covered` by `zone`; its other fields mean nothing here.
  AnswerBuilder& rrsig(std::size_t section, std::string_view owner, std::uint16_t covered,
                       std::string_view zone) {
    Octets rdata(18);
    base::store_be16(rdata.data(), covered);
    return add(section, owner, type::rrsig, 300, rdata + wire(zone) + octets({1, 2, 3, 4}));
  }
  Octets bytes() const { return out_; }
  std::size_t size() const { return out_.size(); }

 private:
  void append(const Octets& more) { out_.insert(out_.end(), more.begin(), more.end()); }
  void u16(std::uint32_t value) {
    out_.push_back(std::byte(value >> 8));
    out_.push_back(std::byte(value & 0xff));
  }
  Octets out_;
};

// A parameter of a service binding.
inline Octets parameter(std::uint16_t key, const Octets& value) {
  return octets({unsigned(key >> 8), unsigned(key & 0xff), unsigned(value.size() >> 8),
                 unsigned(value.size() & 0xff)}) +
         value;
}
inline Octets binding(std::uint16_t priority, std::string_view target, const Octets& parameters) {
  return octets({unsigned(priority >> 8), unsigned(priority & 0xff)}) + wire(target) + parameters;
}

// A message in words, one record each: "answer a.example 300 A 4 octets" would say little, so RDATA
// is given as what it means.
inline std::vector<std::string> records_of(base::Bytes message) {
  std::vector<std::string> out;
  MessageReader reader(message);
  Record record;
  while (reader.next(record)) {
    std::string text = record.owner.to_string() + ' ' + std::to_string(record.ttl) + ' ' +
                       type_text(record.type) + ' ';
    Name target;
    if (record.rdata.size() == 4 && record.type == type::a)
      text += base::IpAddress::v4(record.rdata.first<4>()).to_string();
    else if (record.rdata.size() == 16 && record.type == type::aaaa)
      text += base::IpAddress::v6(record.rdata.first<16>()).to_string();
    else if (record.type == type::rrsig)
      text += type_text(base::load_be16(record.rdata.data()));
    else if ((record.type == type::cname || record.type == type::dname ||
              record.type == type::ns) &&
             Name::read(record.rdata, target) == record.rdata.size())
      text += target.to_string();
    else
      text += std::to_string(record.rdata.size());
    out.push_back((record.section == Record::Section::answer      ? "answer "
                   : record.section == Record::Section::authority ? "authority "
                                                                  : "additional ") +
                  text);
  }
  if (reader.failed()) out.push_back("malformed");
  return out;
}

}  // namespace culvert::dns::test
