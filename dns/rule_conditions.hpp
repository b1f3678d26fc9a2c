// Whether a complex rule that reaches a name holds for this question: its modifiers $dnstype,
// $client, $ctag and $denyallow. Called by the Filter.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dns/client.hpp"
#include "dns/rule.hpp"

namespace culvert::dns {

struct RuleAsk {
  const Name& name;
  std::uint16_t type;
  const ClientConfig& client;
  const std::vector<std::string>& tags;  // of its policy
};
bool rule_holds(const Rule& rule, const RuleAsk& ask) noexcept;

}  // namespace culvert::dns
