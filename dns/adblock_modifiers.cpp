#include <algorithm>
#include <string>
#include <vector>

#include "dns/list_adblock.hpp"
#include "dns/list_text.hpp"
#include "dns/types.hpp"

namespace culvert::dns {
namespace {

constexpr std::size_t max_values = 256;  // of one modifier

// Up to the next `separator` that no backslash stands before; it is taken off with that.
std::string_view take_escaped(std::string_view& rest, char separator) noexcept {
  std::size_t at = 0;
  while (at < rest.size() && rest[at] != separator) at += rest[at] == '\\' ? 2u : 1u;
  at = std::min(at, rest.size());
  const std::string_view taken = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return taken;
}

std::string unescape(std::string_view text) {
  const bool quoted = text.size() >= 2 && (text.front() == '\'' || text.front() == '"') &&
                      text.back() == text.front();
  if (quoted) text = text.substr(1, text.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

// "a|~b|c": `take(value, negated)` for each; false if there is none or it does not take one.
template <class Take>
bool for_each_value(std::string_view text, Take take) {
  if (text.empty()) return false;
  std::size_t count = 0;
  while (!text.empty()) {
    std::string_view value = take_escaped(text, '|');
    const bool negated = value.starts_with('~');
    if (negated) value.remove_prefix(1);
    if (value.empty() || ++count > max_values || !take(value, negated)) return false;
  }
  return true;
}

bool read_words(std::string_view text, std::vector<std::string>& yes,
                std::vector<std::string>& no) {
  return for_each_value(text, [&](std::string_view value, bool negated) {
    std::string word = unescape(value);
    if (word.empty()) return false;
    (negated ? no : yes).push_back(std::move(word));
    return true;
  });
}

bool read_types(std::string_view text, Rule& rule) {
  const bool read = for_each_value(text, [&](std::string_view value, bool negated) {
    const auto type = parse_type(value);
    if (type) (negated ? rule.not_types : rule.types).push_back(*type);
    return type.has_value();
  });
  // "~A|AAAA" is "AAAA".
  if (!rule.types.empty()) rule.not_types.clear();
  return read;
}

// "remark_of_more_than_63_octets.*": no name has such a label, so nothing is excepted by it. That
// is how lists tell readers why.
bool has_too_long_label(std::string_view value) noexcept {
  std::size_t size = 0;
  for (const char c : value) {
    size = c == '.' || c == '*' ? 0 : size + 1;
    if (size > Name::max_label) return true;
  }
  return false;
}

bool read_deny_allow(std::string_view text, Rule& rule) {
  const bool read = for_each_value(text, [&](std::string_view value, bool negated) {
    Name name;
    if (negated) return false;
    if (!read_domain(value, name)) return has_too_long_label(value);
    rule.deny_allow.push_back(name);
    return true;
  });
  return read && !rule.deny_allow.empty();
}

// What one modifier says. None: it is not known.
std::optional<bool> read_one(std::string_view name, std::string_view value, bool has_value,
                             Rule& rule) {
  if (name == "important") return rule.important = true, !has_value;
  if (name == "client") return read_words(value, rule.clients, rule.not_clients);
  if (name == "ctag") return read_words(value, rule.tags, rule.not_tags);
  if (name == "dnstype") return read_types(value, rule);
  if (name == "denyallow") return read_deny_allow(value, rule);
  return std::nullopt;
}

}  // namespace

bool read_modifiers(std::string_view text, Rule& rule, bool& badfilter, ListSink& sink) {
  if (text.empty()) return sink.fault(LineFault::not_understood), false;
  const bool is_exception = rule.action == RuleAction::allow;
  bool rewrites = false;
  while (!text.empty()) {
    std::string_view value = take_escaped(text, ',');
    const std::size_t before = value.size();
    const std::string_view name = trim(take_until(value, '='));
    const bool has_value = name.size() != before;
    if (name == "badfilter" && !has_value) {
      badfilter = true;
    } else if (name == "dnsrewrite") {
      rewrites = true;
      if (!read_dnsrewrite(value, rule, sink)) return false;
    } else {
      const auto read = read_one(name, value, has_value, rule);
      if (!read) return sink.fault(LineFault::unknown_modifier), false;
      if (!*read) return sink.fault(LineFault::not_understood), false;
    }
  }
  // An exception from a rewrite takes away the rule that says it.
  if (is_exception && rewrites) badfilter = !badfilter;
  return true;
}

}  // namespace culvert::dns
