#include "app/dns_text.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/human.hpp"

namespace culvert::app {
namespace {

using human::member;
using human::number_of;
using human::text_of;
using nlohmann::json;

// "blocked by list ads", "answered by 9.9.9.9 in 12 ms"
std::string outcome_of(const json& query) {
  const std::string how = text_of(query, "how"), list = text_of(query, "list");
  const std::string reason = text_of(query, "reason"), upstream = text_of(query, "upstream");
  std::string text = how;
  // A question that was answered as ever may have been let through by an exception.
  const bool filtered = how == "blocked" || how == "rewritten";
  if (!list.empty())
    text += (filtered ? " by list " : ", let through by list ") + list;
  else if (!reason.empty() && reason != "none")
    text += " (" + reason + ")";
  if (member(query, "by_chain") == json(true)) text += " because of what the answer held";
  if (!upstream.empty()) text += " by " + upstream;
  const json& took = member(query, "milliseconds");
  if (how == "forwarded" && took.is_number())
    text += fmt::format(" in {:.1f} ms", took.get<double>());
  return text;
}

std::string counts_text(const json& counts) {
  const auto n = [&](const char* key) { return number_of(counts, key); };
  std::string text = fmt::format("questions: {} over UDP, {} over TCP, {} malformed\n",
                                 n("queries_udp"), n("queries_tcp"), n("malformed"));
  text += fmt::format(
      "answered: {} from the cache, {} stale, {} by upstreams, {} with another's "
      "answer, {} local, {} failed\n",
      n("cached"), n("stale"), n("forwarded"), n("coalesced"), n("local"), n("failed"));
  text += fmt::format("filtered: {} blocked, {} by what the answer held, {} rewritten\n",
                      n("blocked"), n("blocked_by_answer"), n("rewritten"));
  text += fmt::format(
      "refused: {} by rate, {} in flight, {} flows to encrypted resolvers, {} to "
      "addresses not handed out\n",
      n("rate_limited"), n("in_flight_limited"), n("bypass_refused"), n("not_handed_out"));
  text +=
      fmt::format("cache: {} answers, {}\n", n("cache_entries"), human::bytes(n("cache_bytes")));
  return text;
}

std::string state_of(const json& upstream) {
  std::string text = number_of(upstream, "resting_workers") > 0 ? "resting" : "in use";
  if (number_of(upstream, "plain_case_workers") > 0) text += ", without 0x20";
  return text;
}

std::string upstreams_text(const json& upstreams) {
  human::Table table({{"UPSTREAM"},
                      {"ASKED", true},
                      {"ANSWERED", true},
                      {"TIMEOUTS", true},
                      {"FAILURES", true},
                      {"BOGUS", true},
                      {"LATENCY", true},
                      {"STATE"}});
  for (const json& each : upstreams) {
    const json& latency = member(each, "latency_milliseconds");
    table.add({text_of(each, "name"), fmt::format("{}", number_of(each, "asked")),
               fmt::format("{}", number_of(each, "answered")),
               fmt::format("{}", number_of(each, "timeouts")),
               fmt::format("{}", number_of(each, "failures")),
               fmt::format("{}", number_of(each, "bogus")),
               latency.is_number() ? fmt::format("{:.1f} ms", latency.get<double>()) : "",
               state_of(each)});
  }
  return upstreams.empty() ? "" : "\n" + table.to_string();
}

std::string names_text(const json& names, const char* title) {
  if (names.empty()) return "";
  human::Table table({{title}, {"QUESTIONS", true}});
  for (const json& each : names)
    table.add({text_of(each, "name"), fmt::format("{}", number_of(each, "count"))});
  return "\n" + table.to_string();
}

std::string peers_text(const json& peers) {
  if (peers.empty()) return "";
  human::Table table({{"PEER"}, {"QUESTIONS", true}, {"BLOCKED", true}});
  for (const json& each : peers)
    table.add({text_of(each, "peer"), fmt::format("{}", number_of(each, "queries")),
               fmt::format("{}", number_of(each, "blocked"))});
  return "\n" + table.to_string();
}

}  // namespace

std::string query_text(const json& query) {
  return fmt::format("{} {} {} {} {} {}\n", human::local_time(text_of(query, "time")),
                     text_of(query, "peer"), text_of(query, "name"), text_of(query, "type"),
                     text_of(query, "rcode"), outcome_of(query));
}

std::string dns_stats_text(const json& stats) {
  return fmt::format("since {}\n{}{}{}{}{}", human::local_time(text_of(stats, "since")),
                     counts_text(member(stats, "counts")),
                     upstreams_text(member(stats, "upstreams")),
                     names_text(member(stats, "top_names"), "NAME"),
                     names_text(member(stats, "top_blocked"), "BLOCKED NAME"),
                     peers_text(member(stats, "top_peers")));
}

std::string pause_text(const json& paused, const std::string& whose) {
  const std::uint64_t seconds = number_of(paused, "seconds"), peers = number_of(paused, "peers");
  const char* const noun = peers == 1 ? "peer" : "peers";
  if (seconds == 0) return fmt::format("{}: filtered again ({} {})\n", whose, peers, noun);
  return fmt::format("{}: not filtered for {} ({} {})\n", whose,
                     human::short_span(std::chrono::seconds(seconds)), peers, noun);
}

}  // namespace culvert::app
