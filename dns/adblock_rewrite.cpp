#include <algorithm>
#include <array>
#include <string>

#include "dns/list_adblock.hpp"
#include "dns/list_text.hpp"
#include "dns/record_text.hpp"
#include "dns/types.hpp"

namespace culvert::dns {
namespace {

bool set_code(std::string_view word, Rule& rule) noexcept {
  if (word == "NOERROR") return rule.action = RuleAction::nodata, true;
  if (word == "NXDOMAIN") return rule.action = RuleAction::nxdomain, true;
  if (word == "REFUSED") return rule.action = RuleAction::refused, true;
  if (word == "SERVFAIL") return rule.action = RuleAction::servfail, true;
  return false;
}

bool is_keyword(std::string_view word) noexcept {
  return !word.empty() && word.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == word.npos;
}

// "NOERROR;TYPE;VALUE", without the code.
bool set_value(std::string_view type, std::string_view value, Rule& rule) {
  const auto number = parse_type(type);
  if (number == type::cname) return read_domain(value, rule.cname);
  if (number != type::a && number != type::aaaa) return set_record(type, value, rule);
  const auto address = read_address(value);
  if (!address || address->is_v4() != (number == type::a)) return false;
  rule.addresses.push_back(*address);
  return true;
}

bool set_short(std::string_view value, Rule& rule) {
  if (const auto address = read_address(value)) {
    if (address->is_unspecified()) return rule.action = RuleAction::block, true;
    rule.addresses.push_back(*address);
    return true;
  }
  return read_domain(value, rule.cname);
}

bool set_full(std::string_view value, Rule& rule) {
  const std::string code = upper(take_until(value, ';'));
  const std::string_view type = take_until(value, ';');
  if (type.empty()) return value.empty() && set_code(code, rule);
  rule.action = RuleAction::rewrite;
  return code == "NOERROR" && set_value(type, value, rule);
}

}  // namespace

bool set_record(std::string_view type, std::string_view value, Rule& rule) {
  constexpr std::array<std::uint16_t, 6> known{type::ptr, type::mx,   type::txt,
                                               type::srv, type::svcb, type::https};
  const auto number = parse_type(type);
  if (!number || value.empty()) return false;
  if (std::find(known.begin(), known.end(), *number) == known.end()) return false;
  if (!parse_rdata(*number, value)) return false;
  rule.action = RuleAction::rewrite;
  rule.records.push_back(type_text(*number) + ' ' + std::string(value));
  return true;
}

bool read_dnsrewrite(std::string_view value, Rule& rule, ListSink& sink) {
  bool read = false;
  if (value.find(';') != std::string_view::npos) {
    read = set_full(value, rule);
  } else if (is_keyword(value)) {
    read = set_code(value, rule);
  } else {
    rule.action = RuleAction::rewrite;
    read = set_short(value, rule);
  }
  if (!read) sink.fault(LineFault::not_understood);
  return read;
}

}  // namespace culvert::dns
