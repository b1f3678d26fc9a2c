// The shapes of control/openapi.json, made of what the interfaces say.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "control/http.hpp"
#include "control/ledger.hpp"
#include "control/server.hpp"
#include "control/timestamp.hpp"

namespace culvert::control {

using Json = nlohmann::ordered_json;  // members in the order of the description

inline base::WallTime wall_time(std::int64_t nanoseconds) {
  return base::WallTime(std::chrono::nanoseconds(nanoseconds));
}
Json text_or_null(const std::string& text);
Json rate_or_null(std::uint64_t rate);  // 0 = no limit

Json to_json(const Usage& usage);
Json to_json(const Rates& rates);
Json to_json(const QuotaState& state);
Json rule_json(const Quota& quota);
Json policy_times(const Policy& policy);  // expires and hours
// Reasons that occurred.
Json to_json(const base::DropCounters& drops);
Json peer_json(const Server& server, const Ledger& ledger, const Peer& peer);
Json flow_json(const proxy::FlowRecord& record, const std::string& peer);
Json to_json(const ReloadReport& report);

Response json_response(const Json& body, int status = 200);
Response text_response(std::string body, int status = 200);
Response problem_response(const Problem& problem, HeaderFields fields = {});

}  // namespace culvert::control
