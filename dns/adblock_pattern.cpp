#include <algorithm>
#include <optional>
#include <string>

#include "dns/list_adblock.hpp"
#include "dns/list_text.hpp"

namespace culvert::dns {
namespace {

// A mask in its parts: how it begins, what it says, whether its end is the name's.
struct Mask {
  enum class Start : std::uint8_t { anywhere, name, label };  // none, "|" or "://", "||"
  Start start = Start::anywhere;
  std::string_view middle;
  bool ends = false;
};

Mask split(std::string_view text) noexcept {
  Mask mask;
  if (text.starts_with("||")) {
    mask.start = Mask::Start::label;
    text.remove_prefix(2);
  } else if (text.starts_with('|') || text.starts_with("://")) {
    mask.start = Mask::Start::name;
    text.remove_prefix(text.front() == '|' ? 1 : 3);
  }
  while (text.ends_with('^') || text.ends_with('|')) {
    mask.ends = true;
    text.remove_suffix(1);
  }
  mask.middle = text;
  return mask;
}

bool is_mask_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '*';
}

std::string expression_of(const Mask& mask) {
  std::string_view middle = mask.middle;
  std::string out;
  if (middle.starts_with('*')) {
    while (middle.starts_with('*')) middle.remove_prefix(1);
  } else if (mask.start != Mask::Start::anywhere) {
    out = mask.start == Mask::Start::name ? "^" : "(?:^|\\.)";
  }
  bool ends = mask.ends;
  for (; middle.ends_with('*'); middle.remove_suffix(1)) ends = false;
  for (const char c : middle) {
    if (c == '*') {
      if (!out.ends_with(".*")) out += ".*";
    } else {
      if (c == '.') out += '\\';
      out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    }
  }
  if (ends) out += '$';
  return out;
}

std::optional<Rule::Reach> plain_reach(const Mask& mask, const Name& name, const ListSink& sink) {
  switch (mask.start) {
    case Mask::Start::label:
      // Without '^' it would also be the beginning of other names; where it ends in a top-level
      // domain nobody means that.
      if (mask.ends || PublicSuffixes::is_below_known_tld(name)) return Rule::Reach::subdomains;
      return std::nullopt;
    case Mask::Start::name:
      if (mask.ends) return Rule::Reach::exact;
      return std::nullopt;
    case Mask::Start::anywhere:
      if (!mask.ends) return sink.plain_reach();
      return std::nullopt;
  }
  return std::nullopt;
}

// The masks that are a domain. False: it needs an expression.
bool read_as_domain(const Mask& mask, Rule& rule, const ListSink& sink) {
  std::string_view name = mask.middle;
  // "*.name" as every part of it, and ".name^", which only what is below has.
  const bool starred = name.starts_with("*.");
  if (starred || (name.starts_with('.') && mask.start == Mask::Start::anywhere && mask.ends)) {
    name.remove_prefix(starred ? 2 : 1);
    rule.reach = Rule::Reach::below;
    return read_domain(name, rule.domain);
  }
  if (name.ends_with('.') || !read_domain(name, rule.domain)) return false;
  const auto reach = plain_reach(mask, rule.domain, sink);
  if (reach) rule.reach = *reach;
  return reach.has_value();
}

// "://192.0.2." and "://192.0.2.*": the beginning of addresses, by whole octets. Of one octet alone
// nobody means all there is.
std::optional<base::Prefix> read_network(const Mask& mask) {
  std::string_view text = mask.middle;
  if (text.ends_with('*')) text.remove_suffix(1);
  if (mask.start != Mask::Start::name || mask.ends || !text.ends_with('.')) return std::nullopt;
  const auto octets = static_cast<unsigned>(std::count(text.begin(), text.end(), '.'));
  if (octets < 2 || octets > 3) return std::nullopt;
  const auto first = read_address(std::string(text) + (octets == 2 ? "0.0" : "0"));
  if (!first) return std::nullopt;
  return base::Prefix(*first, 8 * octets);
}

// The masks that are addresses, which no answer may hold.
bool read_as_address(const Mask& mask, Rule& rule) {
  if (const auto network = read_network(mask))
    return rule.answer_prefixes.push_back(*network), true;
  const auto address = read_address(mask.middle);
  if (address) rule.answer_prefixes.emplace_back(*address, address->bits());
  return address.has_value();
}

bool set_everything(Rule& rule) {
  rule.domain = Name();
  rule.reach = Rule::Reach::subdomains;
  return true;
}

}  // namespace

bool read_pattern(std::string_view pattern, Rule& rule, ListSink& sink) {
  if (pattern.size() > 2 && pattern.front() == '/' && pattern.back() == '/')
    return sink.set_pattern(rule, "(?i)" + std::string(pattern.substr(1, pattern.size() - 2)));
  const Mask mask = split(pattern);
  if (mask.middle.find_first_not_of('*') == std::string_view::npos) {
    // "" and "*" are every name; "|" and "^" alone are nothing.
    if (!mask.middle.empty() || pattern.empty()) return set_everything(rule);
    return sink.fault(LineFault::not_understood), false;
  }
  if (read_as_address(mask, rule)) return true;
  if (mask.middle.find_first_of("/:?=&^|$ ") != std::string_view::npos)
    return sink.fault(LineFault::not_understood), false;  // of an address of a page
  for (const char c : mask.middle)
    if (!is_mask_character(c)) return sink.fault(LineFault::bad_name), false;
  if (read_as_domain(mask, rule, sink)) return true;
  rule.domain = Name();
  rule.reach = Rule::Reach::subdomains;
  return sink.set_pattern(rule, expression_of(mask));
}

}  // namespace culvert::dns
