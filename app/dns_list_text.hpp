// What `dns lists`, `dns update` and `dns explain` print of the API's answers.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/time.hpp"

namespace culvert::app {

std::string dns_lists_text(const nlohmann::json& lists, base::WallTime now);  // DnsLists
std::string dns_update_text(const nlohmann::json& updated);                   // DnsUpdated
std::string dns_explain_text(const nlohmann::json& explained);                // DnsExplanation

}  // namespace culvert::app
