#include "dns/rule_conditions.hpp"

#include <algorithm>

namespace culvert::dns {
namespace {

template <typename Range, typename Value>
bool holds(const Range& range, const Value& value) noexcept {
  return std::find(range.begin(), range.end(), value) != range.end();
}

// A client is meant by its name, its group's, or an address: one of its prefixes lies in that of
// the rule, since a question does not tell which of its addresses it came from.
bool is_meant(const std::string& said, const ClientConfig& client) noexcept {
  if (said == client.name || (!client.group.empty() && said == client.group)) return true;
  const std::optional<base::Prefix> prefix = base::Prefix::parse(said);
  return prefix && std::any_of(client.addresses.begin(), client.addresses.end(),
                               [&](const base::Prefix& own) { return prefix->contains(own); });
}

bool is_meant(const std::vector<std::string>& said, const ClientConfig& client) noexcept {
  return std::any_of(said.begin(), said.end(),
                     [&](const std::string& each) { return is_meant(each, client); });
}

bool has_tag(const std::vector<std::string>& said, const std::vector<std::string>& tags) noexcept {
  return std::any_of(said.begin(), said.end(),
                     [&](const std::string& each) { return holds(tags, each); });
}

}  // namespace

bool rule_holds(const Rule& rule, const RuleAsk& ask) noexcept {
  if (!rule.types.empty() && !holds(rule.types, ask.type)) return false;
  if (holds(rule.not_types, ask.type)) return false;
  if (!rule.clients.empty() && !is_meant(rule.clients, ask.client)) return false;
  if (is_meant(rule.not_clients, ask.client)) return false;
  if (!rule.tags.empty() && !has_tag(rule.tags, ask.tags)) return false;
  if (has_tag(rule.not_tags, ask.tags)) return false;
  if (!rule.pattern.empty() && !ask.name.is_within(rule.domain)) return false;
  return std::none_of(rule.deny_allow.begin(), rule.deny_allow.end(),
                      [&](const Name& each) { return ask.name.is_within(each); });
}

}  // namespace culvert::dns
