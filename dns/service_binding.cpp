// What lies inside of OPT (RFC 6891 section 6.1.2) and of SVCB and HTTPS records (RFC 9460): lists
// of numbered values, written alike.
#include "base/headers.hpp"
#include "dns/message.hpp"

namespace culvert::dns {
namespace {

bool next_item(base::Bytes& rest, Option& out) noexcept {
  if (rest.size() < 4) return false;
  const std::size_t size = base::load_be16(rest.data() + 2);
  if (rest.size() - 4 < size) return false;
  out.code = base::load_be16(rest.data());
  out.data = rest.subspan(4, size);
  rest = rest.subspan(4 + size);
  return true;
}

// The hints have to be whole addresses (RFC 9460 section 7.3): filters look at each of them.
bool well_formed(const Option& parameter) noexcept {
  const std::size_t size = parameter.data.size();
  if (parameter.code == svc_param::ipv4hint) return size != 0 && size % 4 == 0;
  if (parameter.code == svc_param::ipv6hint) return size != 0 && size % 16 == 0;
  return true;
}

}  // namespace

bool next_option(base::Bytes& rest, Option& out) noexcept {
  return next_item(rest, out);
}

bool next_parameter(base::Bytes& rest, Option& out) noexcept {
  return next_item(rest, out);
}

std::optional<Edns> read_edns(const Record& record) noexcept {
  using Section = Record::Section;
  if (record.type != type::opt || record.section != Section::additional || !record.owner.is_root())
    return std::nullopt;
  Edns edns;
  edns.payload = record.class_ < 512 ? std::uint16_t{512} : record.class_;  // section 6.2.5
  edns.extended_rcode = static_cast<std::uint8_t>(record.ttl >> 24);
  edns.version = static_cast<std::uint8_t>(record.ttl >> 16);
  edns.dnssec_ok = (record.ttl & 0x8000) != 0;
  edns.options = record.rdata;
  // Another version's options may look like anything.
  if (edns.version != 0) return edns;
  Option option;
  base::Bytes rest = edns.options;
  while (next_option(rest, option)) {
  }
  if (!rest.empty()) return std::nullopt;
  return edns;
}

std::optional<ServiceBinding> read_service_binding(base::Bytes rdata) noexcept {
  if (rdata.size() < 3) return std::nullopt;
  ServiceBinding out;
  out.priority = base::load_be16(rdata.data());
  const std::size_t size = Name::read(rdata.subspan(2), out.target);
  if (size == 0) return std::nullopt;
  out.parameters = rdata.subspan(2 + size);
  Option parameter;
  base::Bytes rest = out.parameters;
  for (int last = -1; next_parameter(rest, parameter); last = parameter.code)
    if (int(parameter.code) <= last || !well_formed(parameter)) return std::nullopt;
  if (!rest.empty()) return std::nullopt;
  return out;
}

}  // namespace culvert::dns
