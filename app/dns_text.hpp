// What `dns log`, `dns stats` and `dns pause` print of the API's answers.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace culvert::app {

std::string query_text(const nlohmann::json& query);      // one of DnsLog, one line
std::string dns_stats_text(const nlohmann::json& stats);  // DnsStats
std::string pause_text(const nlohmann::json& paused, const std::string& whose);  // DnsPaused

}  // namespace culvert::app
