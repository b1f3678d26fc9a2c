#include "dns/types.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace culvert::dns {
namespace {

struct TypeName {
  std::uint16_t type;
  std::string_view name;
};
constexpr TypeName type_names[] = {{type::a, "A"},
                                   {type::ns, "NS"},
                                   {type::cname, "CNAME"},
                                   {type::soa, "SOA"},
                                   {type::ptr, "PTR"},
                                   {type::hinfo, "HINFO"},
                                   {type::mx, "MX"},
                                   {type::txt, "TXT"},
                                   {type::aaaa, "AAAA"},
                                   {type::srv, "SRV"},
                                   {type::naptr, "NAPTR"},
                                   {type::dname, "DNAME"},
                                   {type::opt, "OPT"},
                                   {type::ds, "DS"},
                                   {type::rrsig, "RRSIG"},
                                   {type::nsec, "NSEC"},
                                   {type::dnskey, "DNSKEY"},
                                   {type::nsec3, "NSEC3"},
                                   {type::tlsa, "TLSA"},
                                   {type::svcb, "SVCB"},
                                   {type::https, "HTTPS"},
                                   {type::tsig, "TSIG"},
                                   {type::ixfr, "IXFR"},
                                   {type::axfr, "AXFR"},
                                   {type::any, "ANY"},
                                   {type::caa, "CAA"},
                                   {29, "LOC"},
                                   {37, "CERT"},
                                   {44, "SSHFP"},
                                   {51, "NSEC3PARAM"},
                                   {53, "SMIMEA"},
                                   {59, "CDS"},
                                   {60, "CDNSKEY"},
                                   {61, "OPENPGPKEY"},
                                   {99, "SPF"},
                                   {256, "URI"}};

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

}  // namespace

std::string type_text(std::uint16_t type) {
  for (const TypeName& each : type_names)
    if (each.type == type) return std::string(each.name);
  return "TYPE" + std::to_string(type);
}

std::optional<std::uint16_t> parse_type(std::string_view text) {
  const std::string name = upper(text);
  for (const TypeName& each : type_names)
    if (each.name == name) return each.type;
  if (!name.starts_with("TYPE") || name.size() < 5) return std::nullopt;
  std::uint16_t number = 0;
  const char* const end = name.data() + name.size();
  const auto read = std::from_chars(name.data() + 4, end, number);
  if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  return number;
}

std::string_view rcode_text(std::uint16_t rcode) noexcept {
  switch (rcode) {
    case rcode::noerror:
      return "NOERROR";
    case rcode::formerr:
      return "FORMERR";
    case rcode::servfail:
      return "SERVFAIL";
    case rcode::nxdomain:
      return "NXDOMAIN";
    case rcode::notimp:
      return "NOTIMP";
    case rcode::refused:
      return "REFUSED";
    case rcode::badvers:
      return "BADVERS";
  }
  return "";
}

}  // namespace culvert::dns
