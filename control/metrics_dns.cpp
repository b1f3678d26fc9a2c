// Metrics of DNS: questions and how they were answered, the cache, the upstreams.
#include <fmt/format.h>

#include "control/clean_text.hpp"
#include "control/metrics_parts.hpp"

namespace culvert::control {
namespace {

using dns::DnsCounters;
using dns::UpstreamCounters;

struct Row {
  const DnsCounters& counters;
  std::string labels;
};
using Rows = std::vector<Row>;

struct Column {
  std::string_view labels;
  base::Counter DnsCounters::*counter;
};

void columns(Exposition& out, const Rows& rows, std::initializer_list<Column> of) {
  for (const Row& row : rows)
    for (const Column& each : of)
      out.sample(row.labels, each.labels, (row.counters.*each.counter).get());
}

void questions(Exposition& out, const Rows& rows) {
  using C = DnsCounters;
  out.counter("culvert_dns_queries_total", "DNS questions of clients");
  columns(out, rows,
          {{"transport=\"udp\"", &C::queries_udp}, {"transport=\"tcp\"", &C::queries_tcp}});
  out.counter("culvert_dns_malformed_total", "Messages to port 53 that were no proper question");
  columns(out, rows, {{"", &C::malformed}});
  out.counter("culvert_dns_answers_total", "DNS questions by how they were answered");
  columns(out, rows,
          {{"how=\"local\"", &C::local},
           {"how=\"cached\"", &C::cached},
           {"how=\"stale\"", &C::stale},
           {"how=\"forwarded\"", &C::forwarded},
           {"how=\"coalesced\"", &C::coalesced},
           {"how=\"blocked\"", &C::blocked},
           {"how=\"blocked_by_answer\"", &C::blocked_by_answer},
           {"how=\"rewritten\"", &C::rewritten},
           {"how=\"failed\"", &C::failed}});
  out.counter("culvert_dns_limited_total",
              "DNS questions refused by a limit of one client or of all");
  columns(out, rows,
          {{"limit=\"rate\"", &C::rate_limited}, {"limit=\"in_flight\"", &C::in_flight_limited}});
  out.counter("culvert_dns_prefetches_total", "Questions of the cache's own");
  columns(out, rows, {{"", &C::prefetched}});
  out.counter("culvert_dns_refused_flows_total", "Flows refused because they go around the filter");
  columns(out, rows,
          {{"reason=\"encrypted_resolver\"", &C::bypass_refused},
           {"reason=\"not_handed_out\"", &C::not_handed_out}});
  out.counter("culvert_dns_records_lost_total",
              "Questions that the query log did not take in time");
  columns(out, rows, {{"", &C::dropped_records}});
}

void state(Exposition& out, const Rows& rows) {
  using C = DnsCounters;
  out.gauge("culvert_dns_in_flight", "Questions that wait for an upstream");
  columns(out, rows, {{"", &C::in_flight}});
  out.gauge("culvert_dns_tcp_open", "TCP connections of clients to port 53");
  columns(out, rows, {{"", &C::tcp_open}});
  out.gauge("culvert_dns_cache_entries", "Answers in the cache");
  columns(out, rows, {{"", &C::cache_entries}});
  out.gauge("culvert_dns_cache_bytes", "Memory that the cache holds");
  columns(out, rows, {{"", &C::cache_bytes}});
  out.gauge("culvert_dns_worker_rules", "Rules of all lists that the worker filters by");
  columns(out, rows, {{"", &C::table_rules}});
  out.family("culvert_dns_upstream_wait_seconds", Exposition::Type::histogram,
             "How long questions waited for an upstream");
  for (const Row& row : rows) out.histogram(row.labels, row.counters.latency);
}

struct Upstream {
  const UpstreamCounters& counters;
  std::string labels;
};

void upstreams(Exposition& out, const Rows& rows) {
  std::vector<Upstream> all;
  for (const Row& row : rows)
    for (const UpstreamCounters& counters : row.counters.upstreams)
      if (const std::string name = clean_text(counters.name.get(), 127); !name.empty())
        all.push_back({counters, fmt::format("{},{}", row.labels, label("upstream", name))});
  constexpr std::pair<const char*, base::Counter UpstreamCounters::*> results[] = {
      {"result=\"answered\"", &UpstreamCounters::answered},
      {"result=\"timeout\"", &UpstreamCounters::timeouts},
      {"result=\"failure\"", &UpstreamCounters::failures}};
  out.counter("culvert_dns_upstream_asked_total", "Questions to an upstream");
  for (const Upstream& each : all) out.sample(each.labels, each.counters.asked.get());
  out.counter("culvert_dns_upstream_results_total", "What became of them");
  for (const Upstream& each : all)
    for (const auto& [result, counter] : results)
      out.sample(each.labels, result, (each.counters.*counter).get());
  out.counter("culvert_dns_upstream_bogus_total", "Answers that did not fit and were not believed");
  for (const Upstream& each : all) out.sample(each.labels, each.counters.bogus.get());
  out.gauge("culvert_dns_upstream_latency_seconds", "Moving average of the time to an answer");
  for (const Upstream& each : all)
    out.sample(each.labels, double(each.counters.latency.get()) / 1e6);
  out.gauge("culvert_dns_upstream_resting", "1 if it is not asked now because it failed");
  for (const Upstream& each : all) out.sample(each.labels, each.counters.resting.get());
  out.gauge("culvert_dns_upstream_plain_case",
            "1 if it is asked without 0x20 now because it does not keep the case of letters");
  for (const Upstream& each : all) out.sample(each.labels, each.counters.plain_case.get());
}

}  // namespace

void dns_metrics(Exposition& out, const Server& server) {
  Rows rows;
  for (const WorkerState& worker : server.workers())
    rows.push_back(
        {server.dns_counters(worker.index), label("worker", std::to_string(worker.index))});
  questions(out, rows);
  state(out, rows);
  upstreams(out, rows);
}

}  // namespace culvert::control
