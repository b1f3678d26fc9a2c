// /v1/dns/log, /v1/dns/stats, /v1/dns/pause, /v1/dns/cache/flush
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>

#include "control/api_impl.hpp"
#include "control/api_json.hpp"
#include "control/clean_text.hpp"
#include "control/dns_controls.hpp"
#include "control/json_body.hpp"
#include "control/query_recorder.hpp"
#include "control/uri.hpp"
#include "dns/types.hpp"

namespace culvert::control {
namespace {

constexpr std::size_t most_names = QueryRecorder::names_counted;
constexpr auto longest_pause = std::chrono::hours(24 * 31);

// A number from `least` to `most`; `otherwise` where there is none.
Outcome<std::uint64_t> number_of(const Query& query, std::string_view name, std::uint64_t least,
                                 std::uint64_t most, std::uint64_t otherwise) {
  const auto text = query.get(name);
  if (!text) return otherwise;
  std::uint64_t value = 0;
  const char* const end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, value);
  if (read.ec != std::errc{} || read.ptr != end || value < least || value > most)
    return bad_query(
        name, fmt::format("\"{}\", expected a number from {} to {}", shown(*text), least, most));
  return value;
}

bool is_how(std::string_view text) {
  using How = dns::QueryRecord::How;
  for (int how = int(How::local); how <= int(How::refused); ++how)
    if (to_string(How(how)) == text) return true;
  return false;
}

Json query_json(const QueryEntry& entry) {
  const dns::QueryRecord& r = entry.record;
  return {{"id", entry.id},
          {"time", timestamp(wall_time(r.time))},
          {"peer", entry.peer},
          {"name", entry.name},
          {"type", dns::type_text(r.type)},
          {"transport", r.tcp ? "tcp" : "udp"},
          {"rcode", rcode_words(r.rcode)},
          {"how", to_string(r.how)},
          {"reason", to_string(r.reason)},
          {"list", text_or_null(entry.list)},
          {"by_chain", r.by_chain},
          {"upstream", text_or_null(entry.upstream)},
          {"address", r.address ? Json(r.address.to_string()) : Json(nullptr)},
          {"milliseconds", double(r.took) / 1000}};
}

Json names_json(const TopNames& names, std::size_t most) {
  Json list = Json::array();
  for (const TopNames::Entry& entry : names.top(most))
    list.push_back({{"name", entry.name}, {"count", entry.count}, {"error", entry.error}});
  return list;
}

Json peers_json(const Server& server, std::size_t most) {
  struct Row {
    const Peer* peer;
    std::uint64_t queries;
  };
  std::vector<Row> rows;
  for (const Peer* peer : server.peers())
    if (const auto queries = server.counters(peer->slot).dns_queries.get(); queries != 0)
      rows.push_back({peer, queries});
  std::ranges::sort(rows, std::greater{}, &Row::queries);
  if (rows.size() > most) rows.resize(most);
  Json list = Json::array();
  for (const Row& row : rows)
    list.push_back({{"peer", row.peer->entry.name},
                    {"queries", row.queries},
                    {"blocked", server.counters(row.peer->slot).dns_blocked.get()}});
  return list;
}

// What all workers counted.
Json counts_json(const Server& server) {
  using Counters = dns::DnsCounters;
  constexpr std::pair<const char*, base::Counter Counters::*> columns[] = {
      {"queries_udp", &Counters::queries_udp},
      {"queries_tcp", &Counters::queries_tcp},
      {"malformed", &Counters::malformed},
      {"local", &Counters::local},
      {"cached", &Counters::cached},
      {"stale", &Counters::stale},
      {"forwarded", &Counters::forwarded},
      {"coalesced", &Counters::coalesced},
      {"prefetched", &Counters::prefetched},
      {"blocked", &Counters::blocked},
      {"blocked_by_answer", &Counters::blocked_by_answer},
      {"rewritten", &Counters::rewritten},
      {"failed", &Counters::failed},
      {"rate_limited", &Counters::rate_limited},
      {"in_flight_limited", &Counters::in_flight_limited},
      {"bypass_refused", &Counters::bypass_refused},
      {"not_handed_out", &Counters::not_handed_out},
      {"records_lost", &Counters::dropped_records},
      {"in_flight", &Counters::in_flight},
      {"cache_entries", &Counters::cache_entries},
      {"cache_bytes", &Counters::cache_bytes},
      {"tcp_open", &Counters::tcp_open}};
  Json out = Json::object();
  for (const auto& [name, column] : columns) {
    std::uint64_t sum = 0;
    for (const WorkerState& worker : server.workers())
      sum += (server.dns_counters(worker.index).*column).get();
    out[name] = sum;
  }
  return out;
}

struct UpstreamSums {
  std::uint64_t asked = 0, answered = 0, timeouts = 0, failures = 0, bogus = 0, resting = 0,
                plain_case = 0;
  double latency = 0;  // microseconds, weighed by answers
};

// Workers number them each for itself: they are the same where their names are.
Json upstreams_json(const Server& server) {
  std::vector<std::pair<std::string, UpstreamSums>> all;
  for (const WorkerState& worker : server.workers())
    for (const dns::UpstreamCounters& counters : server.dns_counters(worker.index).upstreams) {
      std::string name = clean_text(counters.name.get(), 127);
      if (name.empty()) continue;
      auto at = std::ranges::find(all, name, &std::pair<std::string, UpstreamSums>::first);
      if (at == all.end()) at = all.insert(all.end(), {std::move(name), {}});
      UpstreamSums& sums = at->second;
      const std::uint64_t answered = counters.answered.get();
      sums.asked += counters.asked.get();
      sums.answered += answered;
      sums.timeouts += counters.timeouts.get();
      sums.failures += counters.failures.get();
      sums.bogus += counters.bogus.get();
      sums.resting += counters.resting.get() != 0;
      sums.plain_case += counters.plain_case.get() != 0;
      sums.latency += double(counters.latency.get()) * double(answered);
    }
  Json list = Json::array();
  for (const auto& [name, sums] : all)
    list.push_back(
        {{"name", name},
         {"asked", sums.asked},
         {"answered", sums.answered},
         {"timeouts", sums.timeouts},
         {"failures", sums.failures},
         {"bogus", sums.bogus},
         {"resting_workers", sums.resting},
         {"plain_case_workers", sums.plain_case},
         {"latency_milliseconds",
          sums.answered ? Json(sums.latency / double(sums.answered) / 1000) : Json(nullptr)}});
  return list;
}

Outcome<DnsControls::Pause> pause_of(const std::string& body) {
  const auto parsed = parse_json(body);
  if (!parsed) return parsed.problem();
  const auto wrong = [](std::string field, std::string detail) {
    return Problem{422, "Invalid pause", "", {{std::move(field), std::move(detail)}}};
  };
  if (!parsed->is_object()) return wrong("", "expected a JSON object");
  DnsControls::Pause pause;
  bool timed = false;
  for (const auto& [key, value] : parsed->items()) {
    if (key == "seconds") {
      const bool fits =
          value.is_number_unsigned() &&
          value.get<std::uint64_t>() <= std::uint64_t(std::chrono::seconds(longest_pause).count());
      if (!fits) return wrong(key, "expected a number of seconds up to 31 days; 0 ends the pause");
      pause.duration = std::chrono::seconds(value.get<std::uint64_t>());
      timed = true;
    } else if (key != "peer" && key != "group") {
      return wrong(key, "is not known, expected seconds, peer, group");
    } else if (!value.is_string() || value.get<std::string>().empty()) {
      return wrong(key, "expected a name");
    } else {
      (key == "peer" ? pause.peer : pause.group) = value.get<std::string>();
    }
  }
  if (!timed) return wrong("seconds", "is missing, expected how long the filter pauses");
  if (!pause.peer.empty() && !pause.group.empty())
    return wrong("group", "comes with a peer, expected one of them");
  return pause;
}

}  // namespace

Api::Impl::Task Api::Impl::get_dns_log(Call call) {
  const auto query = Query::parse(call.request.query, {"peer", "name", "how", "after", "limit"});
  if (!query) co_return problem_response(query.problem());
  const auto limit = number_of(*query, "limit", 1, QueryRecorder::remembered, 100);
  if (!limit) co_return problem_response(limit.problem());
  const auto after = number_of(*query, "after", 0, std::numeric_limits<std::uint64_t>::max(), 0);
  if (!after) co_return problem_response(after.problem());
  const auto peer = query->get("peer"), how = query->get("how");
  if (how && !is_how(*how))
    co_return problem_response(
        bad_query("how", fmt::format("\"{}\", expected one of local, cached, stale, forwarded, "
                                     "blocked, rewritten, failed, refused",
                                     shown(*how))));
  auto name = query->get("name");
  if (name)  // names are kept in lower case
    std::ranges::transform(*name, name->begin(),
                           [](unsigned char c) { return char(std::tolower(c)); });
  if (peer && parts.server.find(std::string_view(*peer)) == nullptr)
    co_return problem_response(no_such_peer(*peer));
  Json list = Json::array();
  parts.queries->latest([&](const QueryEntry& entry) {
    if (entry.id <= *after) return false;
    if ((!peer || entry.peer == *peer) && (!how || to_string(entry.record.how) == *how) &&
        (!name || entry.name.find(*name) != std::string::npos))
      list.push_back(query_json(entry));
    return list.size() < *limit;
  });
  co_return json_response({{"queries", std::move(list)}});
}

Api::Impl::Task Api::Impl::get_dns_stats(Call call) {
  const auto query = Query::parse(call.request.query, {"top"});
  if (!query) co_return problem_response(query.problem());
  const auto top = number_of(*query, "top", 1, most_names, 10);
  if (!top) co_return problem_response(top.problem());
  co_return json_response({{"since", timestamp(parts.server.info().started)},
                           {"counts", counts_json(parts.server)},
                           {"upstreams", upstreams_json(parts.server)},
                           {"top_names", names_json(parts.queries->asked(), *top)},
                           {"top_blocked", names_json(parts.queries->blocked(), *top)},
                           {"top_peers", peers_json(parts.server, *top)}});
}

Api::Impl::Task Api::Impl::pause_dns(Call call) {
  const auto none = Query::parse(call.request.query, {});
  if (!none) co_return problem_response(none.problem());
  const auto pause = pause_of(call.request.body);
  if (!pause) co_return problem_response(pause.problem());
  const auto count = parts.dns_controls->pause(*pause, parts.now());
  if (!count) co_return problem_response(count.problem());
  co_return json_response({{"peers", *count}, {"seconds", pause->duration.count()}});
}

Api::Impl::Task Api::Impl::flush_dns_cache(Call call) {
  const auto none = Query::parse(call.request.query, {});
  if (!none) co_return problem_response(none.problem());
  const auto done = co_await parts.server.flush_dns_cache();
  if (!done) co_return problem_response(done.problem());
  co_return json_response({{"flushed", true}});
}

}  // namespace culvert::control
