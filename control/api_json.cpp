#include "control/api_json.hpp"

#include <fmt/format.h>

#include "control/clean_text.hpp"
#include "control/json_body.hpp"
#include "control/metrics_parts.hpp"

namespace culvert::control {
namespace {

std::string_view to_string(Quota::Period period) {
  switch (period) {
    case Quota::Period::day:
      return "day";
    case Quota::Period::week:
      return "week";
    case Quota::Period::month:
      break;
  }
  return "month";
}

std::string_view to_string(base::Protocol protocol) {
  switch (protocol) {
    case base::Protocol::icmp:
      return "icmp";
    case base::Protocol::tcp:
      return "tcp";
    case base::Protocol::udp:
      return "udp";
    case base::Protocol::icmp6:
      break;
  }
  return "icmp6";
}

bool throttles(const Quota& quota) {
  return quota.over_up != 0 || quota.over_down != 0;
}

bool is_throttled(const std::optional<QuotaState>& state) {
  return state && state->reached() && throttles(state->quota);
}

// What it was added with; secrets stay where they are.
Json definition_json(const Peer& peer) {
  if (peer.source != Source::database) return nullptr;
  Json definition = Json::parse(peer.definition, nullptr, false);
  if (!definition.is_object()) return nullptr;
  definition.erase("preshared_key");
  return definition;
}

Json to_json(const proxy::FlowTraffic& traffic) {
  return {{"packets", traffic.packets}, {"bytes", traffic.bytes}, {"payload", traffic.payload}};
}

Json allowed_ips_json(const PeerEntry& entry) {
  Json list = Json::array();
  for (const base::Prefix& prefix : entry.allowed_ips) list.push_back(prefix.to_string());
  return list;
}

Json limits_json(const Ledger& ledger, const Peer& peer, const std::optional<QuotaState>& quota) {
  const Policy& policy = peer.entry.policy;
  const bool throttled =
      is_throttled(quota) ||
      (!peer.entry.group.empty() && is_throttled(ledger.group_quota(peer.entry.group)));
  return {{"up", rate_or_null(policy.up)},
          {"down", rate_or_null(policy.down)},
          {"throttled", throttled}};
}

}  // namespace

Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

Json rate_or_null(std::uint64_t rate) {
  return rate == 0 ? Json(nullptr) : Json(rate);
}

Json to_json(const Usage& usage) {
  return {{"up_bytes", usage.up_bytes},     {"up_packets", usage.up_packets},
          {"down_bytes", usage.down_bytes}, {"down_packets", usage.down_packets},
          {"up_payload", usage.up_payload}, {"down_payload", usage.down_payload},
          {"rx_bytes", usage.rx_bytes},     {"tx_bytes", usage.tx_bytes},
          {"flows", usage.flows},           {"denied", usage.denied},
          {"handshakes", usage.handshakes}};
}

Json to_json(const Rates& rates) {
  return {{"up", rates.up}, {"down", rates.down}};
}

Json rule_json(const Quota& quota) {
  return {{"bytes", quota.bytes},
          {"period", to_string(quota.period)},
          {"reset_day", quota.reset_day},
          {"action", throttles(quota) ? "throttle" : "block"},
          {"over_up", rate_or_null(quota.over_up)},
          {"over_down", rate_or_null(quota.over_down)}};
}

Json to_json(const QuotaState& state) {
  Json out = rule_json(state.quota);
  out["used"] = state.used;
  out["started"] = timestamp(state.started);
  out["resets"] = timestamp(state.resets);
  out["reached"] = state.reached();
  return out;
}

Json policy_times(const Policy& policy) {
  return {{"expires", policy.expires ? Json(timestamp(*policy.expires)) : Json(nullptr)},
          {"hours", text_or_null(policy.hours.to_string())}};
}

Json to_json(const base::DropCounters& drops) {
  Json out = Json::object();
  for (std::size_t i = 0; i < std::size_t(base::Drop::count_); ++i) {
    const auto drop = base::Drop(i);
    if (const auto count = drops.get(drop); count != 0)
      out[std::string(base::to_string(drop))] = count;
  }
  return out;
}

Json peer_json(const Server& server, const Ledger& ledger, const Peer& peer) {
  const PeerEntry& entry = peer.entry;
  const base::PeerCounters& counters = server.counters(peer.slot);
  const std::int64_t handshake = std::int64_t(counters.last_handshake.get());
  const auto quota = ledger.quota(peer.slot);
  Json out{
      {"name", entry.name},
      {"public_key", entry.public_key.to_string()},
      {"has_preshared_key", !entry.preshared_key.is_zero()},
      {"source", peer.source == Source::file ? "file" : "database"},
      {"place", peer.source == Source::file ? text_or_null(entry.place) : Json(nullptr)},
      {"group", text_or_null(entry.group)},
      {"allowed_ips", allowed_ips_json(entry)},
      {"endpoint", peer.endpoint ? Json(peer.endpoint->to_string()) : Json(nullptr)},
      {"configured_endpoint", text_or_null(entry.endpoint_text)},
      {"persistent_keepalive", entry.persistent_keepalive.count()},
      {"worker", peer.worker},
      {"connected", peer.connected},
      {"latest_handshake", handshake == 0 ? Json(nullptr) : Json(timestamp(wall_time(handshake)))},
      {"rx_bytes", counters.rx_bytes.get()},
      {"tx_bytes", counters.tx_bytes.get()},
      {"usage", to_json(ledger.total(peer.slot))},
      {"rates", to_json(ledger.rates(peer.slot))},
      {"limits", limits_json(ledger, peer, quota)},
      {"quota", quota ? to_json(*quota) : Json(nullptr)}};
  out.update(policy_times(entry.policy));
  out["stopped"] = to_string(ledger.stop(peer.slot));
  out["open_flows"] = {{"tcp", counters.tcp_open.get()}, {"udp", counters.udp_open.get()}};
  out["denials"] = to_json(counters.denials);
  out["definition"] = definition_json(peer);
  return out;
}

Json flow_json(const proxy::FlowRecord& record, const std::string& peer) {
  return {{"id", record.id},
          {"peer", peer},
          {"protocol", to_string(record.key.protocol)},
          {"client", record.key.client.to_string()},
          {"server", record.key.server.to_string()},
          {"domain", text_or_null(clean_text(std::string(record.domain())))},
          {"state", proxy::to_string(record.state)},
          {"forward", record.forward},
          {"started", timestamp(wall_time(record.started))},
          {"last", timestamp(wall_time(record.last))},
          {"up", to_json(record.up)},
          {"down", to_json(record.down)}};
}

Json to_json(const ReloadReport& report) {
  return {{"added", report.added},
          {"removed", report.removed},
          {"changed", report.changed},
          {"applied", report.applied},
          {"need_restart", report.need_restart},
          {"warnings", report.warnings}};
}

Response json_response(const Json& body, int status) {
  Response response;
  response.status = status;
  response.content_type = "application/json";
  response.body = body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  return response;
}

Response text_response(std::string body, int status) {
  Response response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(body);
  return response;
}

Response problem_response(const Problem& problem, HeaderFields fields) {
  Response response;
  response.status = problem.status >= 400 && problem.status < 600 ? problem.status : 500;
  response.content_type = "application/problem+json";
  response.body = problem_text(problem);
  response.fields = std::move(fields);
  return response;
}

}  // namespace culvert::control
