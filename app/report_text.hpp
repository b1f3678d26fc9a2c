// What flows, usage, reload, events and `peer list` print of the API's answers.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace culvert::app {

std::string flows_text(const nlohmann::json& list, base::WallTime now);  // FlowList
std::string usage_text(const nlohmann::json& report);                    // UsageReport
std::string reload_text(const nlohmann::json& report);                   // ReloadReport
std::string event_text(std::string_view data);                           // one Event, one line
std::string peer_list_text(const nlohmann::json& peers);                 // of PeerList

}  // namespace culvert::app
