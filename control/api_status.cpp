// /v1/status, /v1/groups, /v1/openapi.json, /metrics, /healthz, /readyz
#include <map>

#include "control/api_impl.hpp"
#include "control/api_json.hpp"
#include "control/uri.hpp"

namespace culvert::control {
namespace {

template <class T>
Json texts(const std::vector<T>& list) {
  Json out = Json::array();
  for (const T& each : list) {
    if constexpr (std::is_same_v<T, std::string>)
      out.push_back(each);
    else
      out.push_back(each.to_string());
  }
  return out;
}

Json server_json(const ServerInfo& info, base::WallTime now) {
  const auto uptime = std::chrono::floor<std::chrono::seconds>(now - info.started).count();
  return {{"version", info.version},
          {"interface", info.interface},
          {"public_key", info.public_key.to_string()},
          {"listen", texts(info.listen)},
          {"address", texts(info.address)},
          {"config_file", text_or_null(info.config_file)},
          {"mtu", info.mtu},
          {"started", timestamp(info.started)},
          {"uptime_seconds", std::max<std::int64_t>(uptime, 0)},
          {"file_limit", info.file_limit}};
}

Json worker_json(const WorkerState& worker, const base::WorkerCounters& counters) {
  return {{"index", worker.index},
          {"pid", worker.pid},
          {"ready", worker.ready},
          {"aead", worker.aead},
          {"gso", worker.gso},
          {"gro", worker.gro},
          {"sandbox", worker.sandbox},
          {"starts", counters.starts.get()},
          {"tcp_open", counters.tcp_open.get()},
          {"udp_open", counters.udp_open.get()},
          {"echo_open", counters.echo_open.get()},
          {"datagrams_in", counters.datagrams_in.get()},
          {"datagrams_out", counters.datagrams_out.get()}};
}

// What all workers have open, and may. A flow that is still dialling is one of `tcp`.
struct Sums {
  std::uint64_t tcp = 0, udp = 0, echo = 0, dials = 0, packets = 0;
  std::uint64_t tcp_max = 0, udp_max = 0, dials_max = 0, descriptors_max = 0, packets_max = 0;
  base::DropCounters drops;

  void add(const base::WorkerCounters& counters) {
    tcp += counters.tcp_open.get();
    udp += counters.udp_open.get();
    echo += counters.echo_open.get();
    dials += counters.dialling.get();
    packets += counters.packets_in_use.get();
    tcp_max += counters.tcp_max.get();
    udp_max += counters.udp_max.get();
    dials_max += counters.dials_max.get();
    descriptors_max += counters.descriptors_max.get();
    packets_max += counters.packets_max.get();
    for (std::size_t i = 0; i < std::size_t(base::Drop::count_); ++i)
      drops.add(base::Drop(i), counters.drops.get(base::Drop(i)));
  }

  Json limits() const {
    const auto limit = [](const char* name, std::uint64_t in_use, std::uint64_t maximum) {
      return Json{{"name", name}, {"in_use", in_use}, {"maximum", maximum}};
    };
    return Json::array({limit("tcp_flows", tcp, tcp_max), limit("udp_mappings", udp, udp_max),
                        limit("tcp_dials", dials, dials_max),
                        limit("descriptors", tcp + udp + echo, descriptors_max),
                        limit("packets", packets, packets_max)});
  }
};

struct Totals {
  std::size_t peers = 0, connected = 0, stopped = 0;
  Usage usage;
  Rates rates;

  void add(const Ledger& ledger, const Peer& peer) {
    ++peers;
    if (peer.connected) ++connected;
    if (ledger.stop(peer.slot) != base::Stop::none) ++stopped;
    usage += ledger.total(peer.slot);
    const Rates now = ledger.rates(peer.slot);
    rates.up += now.up;
    rates.down += now.down;
  }
};

Json group_json(const Ledger& ledger, const GroupConfig& group, const Totals& totals) {
  const auto quota = ledger.group_quota(group.name);
  Json out{{"name", group.name},
           {"members", totals.peers},
           {"connected", totals.connected},
           {"limits", {{"up", rate_or_null(group.up)}, {"down", rate_or_null(group.down)}}},
           {"total_limits",
            {{"up", rate_or_null(group.total_up)}, {"down", rate_or_null(group.total_down)}}},
           {"quota", group.quota ? rule_json(*group.quota) : Json(nullptr)},
           {"total_quota", quota ? to_json(*quota) : Json(nullptr)}};
  out.update(policy_times(group));
  out["usage"] = to_json(totals.usage);
  out["rates"] = to_json(totals.rates);
  return out;
}

Response health_response(const std::function<HealthAnswer()>& ask) {
  HealthAnswer answer = ask();
  Response response = text_response(std::move(answer.text), answer.good ? 200 : 503);
  response.content_type = "application/json";
  return response;
}

}  // namespace

Api::Impl::Task Api::Impl::get_status(Call call) {
  const auto query = Query::parse(call.request.query, {});
  if (!query) co_return problem_response(query.problem());
  Totals totals;
  for (const Peer* peer : parts.server.peers()) totals.add(parts.ledger, *peer);
  Sums sums;
  Json workers = Json::array();
  for (const WorkerState& worker : parts.server.workers()) {
    const auto& counters = parts.server.worker_counters(worker.index);
    sums.add(counters);
    workers.push_back(worker_json(worker, counters));
  }
  const std::string trouble = parts.ledger.trouble();
  Json out = server_json(parts.server.info(), parts.now());
  out["peers"] = {
      {"total", totals.peers}, {"connected", totals.connected}, {"stopped", totals.stopped}};
  out["workers"] = std::move(workers);
  out["usage"] = to_json(totals.usage);
  out["rates"] = to_json(totals.rates);
  out["open_flows"] = {{"tcp", sums.tcp}, {"udp", sums.udp}, {"echo", sums.echo}};
  out["limits"] = sums.limits();
  out["drops"] = to_json(sums.drops);
  out["ledger"] = {{"ok", trouble.empty()}, {"trouble", text_or_null(trouble)}};
  co_return json_response(out);
}

Api::Impl::Task Api::Impl::list_groups(Call call) {
  const auto query = Query::parse(call.request.query, {});
  if (!query) co_return problem_response(query.problem());
  std::map<std::string, Totals> totals;
  for (const Peer* peer : parts.server.peers()) totals[peer->entry.group].add(parts.ledger, *peer);
  Json list = Json::array();
  for (const GroupConfig& group : parts.server.groups())
    list.push_back(group_json(parts.ledger, group, totals[group.name]));
  co_return json_response({{"groups", std::move(list)}});
}

Api::Impl::Task Api::Impl::get_openapi(Call) {
  Response response = text_response(std::string(openapi_text()));
  response.content_type = "application/json";
  co_return response;
}

Api::Impl::Task Api::Impl::get_metrics(Call) {
  std::string page = co_await parts.metrics();
  Response response = text_response(std::move(page));
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  co_return response;
}

Api::Impl::Task Api::Impl::get_health(Call) {
  co_return health_response(parts.healthy);
}

Api::Impl::Task Api::Impl::get_readiness(Call) {
  co_return health_response(parts.ready);
}

}  // namespace culvert::control
