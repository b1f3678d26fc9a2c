// What a list's text becomes, as one line of text for each rule, so that tests can be read.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "dns/list_parser.hpp"
#include "dns/types.hpp"

namespace culvert::dns::testing {

struct Parsed {
  std::vector<std::string> rules;
  ListReport report;

  std::uint64_t faults(LineFault fault) const { return report.faults[std::size_t(fault)]; }
  std::uint32_t first(LineFault fault) const { return report.first[std::size_t(fault)]; }
  std::uint64_t all_faults() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t each : report.faults) sum += each;
    return sum;
  }
};

inline std::string text_of(RuleAction action) {
  constexpr std::string_view names[] = {"block",    "allow", "nxdomain", "nodata",  "refused",
                                        "servfail", "drop",  "tcp",      "rewrite", "forward"};
  return std::string(names[std::size_t(action)]);
}

template <class Values, class Text>
void add_all(std::string& out, std::string_view label, const Values& values, Text text) {
  for (const auto& each : values) out += " " + std::string(label) + text(each);
}

// "block =example.com" (exact), "block example.com" (and below), "block *.example.com" (below).
inline std::string text_of(const Rule& rule, bool badfilter = false) {
  const auto same = [](const std::string& text) { return text; };
  const auto name = [](const Name& each) { return each.to_string(); };
  const auto shown = [](const auto& each) { return each.to_string(); };
  std::string out = badfilter ? "bad " : "";
  if (rule.important) out += "important ";
  out += text_of(rule.action) + ' ';
  if (!rule.answer_prefixes.empty()) {
    for (const auto& each : rule.answer_prefixes) out += each.to_string();
  } else if (!rule.pattern.empty()) {
    out += '/' + rule.pattern + '/';
  } else {
    if (rule.reach == Rule::Reach::exact) out += '=';
    if (rule.reach == Rule::Reach::below) out += "*.";
    out += rule.domain.to_string();
  }
  add_all(out, "type=", rule.types, type_text);
  add_all(out, "type~", rule.not_types, type_text);
  add_all(out, "client=", rule.clients, same);
  add_all(out, "client~", rule.not_clients, same);
  add_all(out, "tag=", rule.tags, same);
  add_all(out, "tag~", rule.not_tags, same);
  add_all(out, "but=", rule.deny_allow, name);
  add_all(out, "to=", rule.addresses, shown);
  if (!rule.cname.is_root()) out += " to=" + rule.cname.to_string();
  add_all(out, "to=", rule.records, same);
  if (!rule.upstream.empty()) out += " at=" + rule.upstream;
  return out;
}

// Fed in pieces of `step` octets; 0 = at once.
inline Parsed parse(const ListSettings& list, std::string_view text, std::size_t step = 0) {
  Parsed out;
  ListParser parser(list, [&](const Rule& rule, bool badfilter) {
    out.rules.push_back(text_of(rule, badfilter));
  });
  if (step == 0) step = text.size();
  for (; !text.empty(); text.remove_prefix(std::min(step, text.size())))
    parser.feed(text.substr(0, step));
  out.report = parser.finish();
  return out;
}

inline ListSettings a_list(ListSettings::Format format, bool trusted = false) {
  ListSettings list;
  list.name = "test";
  list.format = format;
  list.trusted = trusted;
  return list;
}

}  // namespace culvert::dns::testing
