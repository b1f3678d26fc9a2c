// tailor_answer(): takes parameters out of SVCB and HTTPS records where they lie. Names that others
// point to stand before every such record of a clean answer, so no pointer has to be changed.
#include <algorithm>

#include "base/headers.hpp"
#include "dns/inspection.hpp"

namespace culvert::dns {
namespace {

constexpr std::uint16_t mandatory_key = 0;  // RFC 9460 section 8

bool is_binding(std::uint16_t type) noexcept {
  return type == type::svcb || type == type::https;
}

bool unwanted(std::uint16_t key, const Policy& policy) noexcept {
  return (key == svc_param::ech && policy.ech == EchPolicy::strip) ||
         (key == svc_param::ipv6hint && policy.filter_aaaa);
}

bool has_unwanted(base::Bytes rdata, const Policy& policy) noexcept {
  const std::optional<ServiceBinding> binding = read_service_binding(rdata);
  if (!binding) return false;
  Option parameter;
  for (base::Bytes rest = binding->parameters; next_parameter(rest, parameter);)
    if (unwanted(parameter.code, policy)) return true;
  return false;
}

// The keys of "mandatory" that stay; a list of none may not be written. Returns its size.
std::size_t put_mandatory(std::byte* to, base::Bytes keys, const Policy& policy) noexcept {
  std::size_t size = 4;
  for (std::size_t at = 0; at + 2 <= keys.size(); at += 2) {
    const std::uint16_t key = base::load_be16(keys.data() + at);
    if (unwanted(key, policy)) continue;
    base::store_be16(to + size, key);
    size += 2;
  }
  if (size == 4) return 0;
  base::store_be16(to, mandatory_key);
  base::store_be16(to + 2, static_cast<std::uint16_t>(size - 4));
  return size;
}

// `to` is not behind the RDATA; what is read was not yet written over.
std::size_t put_binding(std::byte* to, base::Bytes rdata, const Policy& policy) noexcept {
  const std::optional<ServiceBinding> binding = read_service_binding(rdata);
  if (!binding) {
    std::memmove(to, rdata.data(), rdata.size());
    return rdata.size();
  }
  std::size_t size = rdata.size() - binding->parameters.size();
  std::memmove(to, rdata.data(), size);
  Option parameter;
  for (base::Bytes rest = binding->parameters; next_parameter(rest, parameter);) {
    if (unwanted(parameter.code, policy)) continue;
    if (parameter.code == mandatory_key) {
      size += put_mandatory(to + size, parameter.data, policy);
      continue;
    }
    std::memmove(to + size, parameter.data.data() - 4, parameter.data.size() + 4);
    size += parameter.data.size() + 4;
  }
  return size;
}

bool needs_change(base::Bytes clean, const Policy& policy) noexcept {
  MessageReader reader(clean);
  Record record;
  while (reader.next(record))
    if (is_binding(record.type) && has_unwanted(record.rdata, policy)) return true;
  return false;
}

bool signs_binding(const Record& record) noexcept {
  return record.type == type::rrsig && record.rdata.size() >= 2 &&
         is_binding(base::load_be16(record.rdata.data()));
}

}  // namespace

std::size_t tailor_answer(base::MutableBytes clean, const Policy& policy) noexcept {
  if (!wants_tailoring(policy) || !needs_change(clean, policy)) return clean.size();
  std::byte* const p = clean.data();
  MessageReader reader(clean);
  Question question;
  if (!reader.question(question)) return clean.size();
  std::size_t from = header_size + question.name_sent.size() + 4, to = from;
  std::uint16_t counts[3] = {};
  Record record;
  while (reader.next(record)) {
    const std::size_t fixed = record.rdata_offset - from;  // of owner, type, class, TTL, length
    const std::size_t end = record.rdata_offset + record.rdata.size();
    if (!signs_binding(record)) {
      std::memmove(p + to, p + from, fixed);
      to += fixed;
      std::size_t size = record.rdata.size();
      if (is_binding(record.type))
        size = put_binding(p + to, record.rdata, policy);
      else
        std::memmove(p + to, p + record.rdata_offset, size);
      base::store_be16(p + to - 2, static_cast<std::uint16_t>(size));
      to += size;
      ++counts[std::size_t(record.section)];
    }
    from = end;
  }
  p[3] &= ~std::byte{0x20};
  for (std::size_t i = 0; i < 3; ++i) base::store_be16(p + 6 + 2 * i, counts[i]);
  return to;
}

}  // namespace culvert::dns
