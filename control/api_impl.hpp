// What the files of the API share: api.cpp has the routes and the way to them, the others a
// resource each.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "control/api.hpp"
#include "control/router.hpp"
#include "control/token_gate.hpp"

namespace culvert::control {

struct Api::Impl {
  using Task = boost::asio::awaitable<Response>;

  explicit Impl(ApiParts given);

  // Runs on the way to a route: nothing, or why not.
  std::optional<Response> check(const Request& head, const Router::Match& match);

  // api_status.cpp
  Task get_status(Call call);
  Task list_groups(Call call);
  Task get_openapi(Call call);
  Task get_metrics(Call call);
  Task get_health(Call call);
  Task get_readiness(Call call);
  // api_peers.cpp
  Task list_peers(Call call);
  Task add_peer(Call call);
  Task get_peer(Call call);
  Task change_peer(Call call);
  Task remove_peer(Call call);
  Task get_peer_config(Call call);
  Response peer_response(const Peer* peer, const std::string& name, int status = 200) const;
  // api_usage.cpp
  Task list_flows(Call call);
  Task get_usage(Call call);
  Outcome<UsageQuery> usage_query(const class Query& query) const;
  // api_dns.cpp
  Task get_dns_log(Call call);
  Task get_dns_stats(Call call);
  Task pause_dns(Call call);
  Task flush_dns_cache(Call call);
  // api_dns_lists.cpp
  Task get_dns_lists(Call call);
  Task update_dns_lists(Call call);
  // api_dns_explain.cpp
  Task explain_dns(Call call);
  // api_events.cpp
  Task stream_events(Call call);
  Task reload(Call call);

  ApiParts parts;
  TokenGate gate;
  Router router;
};

Problem no_such_peer(const std::string& name);

}  // namespace culvert::control
