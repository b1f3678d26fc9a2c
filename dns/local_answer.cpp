#include "dns/local_answer.hpp"

namespace culvert::dns {

using Section = Record::Section;

bool write_records(AnswerWriter& writer, const Name& name, std::uint16_t type,
                   const LocalFound& found) noexcept {
  bool any = false;
  if (found.records != nullptr)
    for (const LocalRdata& record : *found.records) {
      if (type != record.type && type != type::any) continue;
      writer.add(Section::answer, name, record.type, record.ttl, record.rdata);
      any = true;
    }
  if (found.addresses != nullptr)
    for (const base::IpAddress& address : *found.addresses) {
      if (type != (address.is_v4() ? type::a : type::aaaa) && type != type::any) continue;
      writer.add_address(name, address, peer_ttl);
      any = true;
    }
  if (found.pointers != nullptr && (type == type::ptr || type == type::any))
    for (const ReverseMap::Pointer& pointer : *found.pointers) {
      writer.add(Section::answer, name, type::ptr, pointer.ttl, pointer.name.wire());
      any = true;
    }
  return any;
}

const LocalRdata* find_cname(const LocalFound& found) noexcept {
  if (found.records != nullptr)
    for (const LocalRdata& record : *found.records)
      if (record.type == type::cname) return &record;
  return nullptr;
}

bool write_apex(AnswerWriter& writer, const Name& name, std::uint16_t type, const LocalFound& found,
                std::uint32_t ttl) noexcept {
  if (found.zone.size() != name.size()) return false;
  if (type == type::soa) writer.add_soa(name, ttl, Section::answer);
  if (type == type::ns) writer.add(Section::answer, name, type::ns, ttl, name.wire());
  return type == type::soa || type == type::ns;
}

void write_nothing(AnswerWriter& writer, const Name& name, const LocalFound& found,
                   std::uint32_t ttl) noexcept {
  if (!found.exists) writer.set_rcode(rcode::nxdomain);
  Name zone;
  if (Name::read(found.zone, zone) == 0) zone = name;
  writer.add_soa(zone, ttl);
}

}  // namespace culvert::dns
