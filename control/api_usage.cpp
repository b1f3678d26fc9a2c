// /v1/flows and /v1/usage
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "control/api_impl.hpp"
#include "control/api_json.hpp"
#include "control/csv.hpp"
#include "control/uri.hpp"

namespace culvert::control {
namespace {

constexpr std::size_t most_flows = 100'000;

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "90s", "24h", "7d": how long ago.
std::optional<std::chrono::seconds> long_ago(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto count = number<std::uint32_t>(text.substr(0, text.size() - 1));
  if (!count) return std::nullopt;
  switch (text.back()) {
    case 's':
      return std::chrono::seconds(*count);
    case 'm':
      return std::chrono::minutes(*count);
    case 'h':
      return std::chrono::hours(*count);
    case 'd':
      return std::chrono::days(*count);
    case 'w':
      return std::chrono::weeks(*count);
    default:
      return std::nullopt;
  }
}

// A day alone is the whole of it: since its start, until its end, which the calendar reads.
std::string whole_days(std::string_view name, const std::string& text) {
  const bool day = text.size() == 10 && text[4] == '-' && text[7] == '-';
  return day && name == "since" ? text + " 00:00" : text;
}

// As far as a WallTime can tell from now.
std::optional<std::chrono::seconds> ago(std::string_view text) {
  constexpr std::chrono::days longest(36'600);
  const auto before = long_ago(text);
  return before && *before <= longest ? before : std::nullopt;
}

std::optional<UsageBy> parse_by(std::string_view text) {
  constexpr std::pair<std::string_view, UsageBy> names[] = {
      {"peer", UsageBy::peer}, {"group", UsageBy::group}, {"destination", UsageBy::destination},
      {"day", UsageBy::day},   {"hour", UsageBy::hour},   {"minute", UsageBy::minute}};
  for (const auto& [name, by] : names)
    if (name == text) return by;
  return std::nullopt;
}

bool is_time_span(UsageBy by) {
  return by == UsageBy::day || by == UsageBy::hour || by == UsageBy::minute;
}

Json report_json(const UsageQuery& query, const std::string& by,
                 const std::vector<UsageRow>& rows) {
  Json list = Json::array();
  Usage total;
  for (const UsageRow& row : rows) {
    Json out{{"key", row.key},
             {"start", is_time_span(query.by) ? Json(timestamp(row.start)) : Json(nullptr)}};
    out.update(to_json(row.usage));
    list.push_back(std::move(out));
    total += row.usage;
  }
  return {{"since", timestamp(query.since)},
          {"until", timestamp(query.until)},
          {"by", by},
          {"rows", std::move(list)},
          {"total", to_json(total)}};
}

// RFC 4180, with a header line.
std::string report_csv(const UsageQuery& query, const std::vector<UsageRow>& rows) {
  std::string text = "key,start";
  const Json columns = to_json(Usage{});
  for (const auto& [name, value] : columns.items()) text += "," + name;
  text += "\r\n";
  for (const UsageRow& row : rows) {
    text += csv_field(row.key) + ",";
    if (is_time_span(query.by)) text += timestamp(row.start);
    const Json values = to_json(row.usage);
    for (const auto& [name, value] : values.items())
      text += "," + std::to_string(value.get<std::uint64_t>());
    text += "\r\n";
  }
  return text;
}

}  // namespace

Api::Impl::Task Api::Impl::list_flows(Call call) {
  const auto query = Query::parse(call.request.query, {"peer", "limit"});
  if (!query) co_return problem_response(query.problem());
  FlowFilter filter;
  if (const auto text = query->get("limit")) {
    const auto limit = number<std::size_t>(*text);
    if (!limit || *limit == 0 || *limit > most_flows)
      co_return problem_response(bad_query(
          "limit",
          fmt::format("\"{}\", expected a number from 1 to {}", shown(*text), most_flows)));
    filter.limit = *limit;
  }
  if (const auto name = query->get("peer")) {
    const Peer* peer = parts.server.find(std::string_view(*name));
    if (peer == nullptr) co_return problem_response(no_such_peer(*name));
    filter.peer = peer->slot;
  }
  const std::size_t limit = filter.limit;
  filter.limit = limit + 1;  // one more tells that there are more
  const auto flows = co_await parts.server.flows(std::move(filter));
  if (!flows) co_return problem_response(flows.problem());
  std::unordered_map<std::uint32_t, std::string> names;
  for (const Peer* peer : parts.server.peers()) names.emplace(peer->slot, peer->entry.name);
  Json list = Json::array();
  for (const proxy::FlowRecord& record : *flows)
    if (list.size() < limit) list.push_back(flow_json(record, names[record.peer]));
  const bool truncated = flows->size() > limit;
  co_return json_response({{"flows", std::move(list)}, {"truncated", truncated}});
}

Outcome<UsageQuery> Api::Impl::usage_query(const Query& query) const {
  UsageQuery out;
  const auto time = [&](std::string_view name, base::WallTime& to) -> std::optional<Problem> {
    const auto text = query.get(name);
    if (!text) return std::nullopt;
    if (const auto before = ago(*text)) {
      to = parts.now() - *before;
    } else if (const auto parsed = parts.parse_time(whole_days(name, *text))) {
      to = *parsed;
    } else {
      return bad_query(name, fmt::format("\"{}\", expected a time such as 2026-12-31, "
                                         "2026-12-31T18:00:00Z, 24h or 7d",
                                         shown(*text)));
    }
    return std::nullopt;
  };
  out.until = parts.now();
  if (const auto problem = time("until", out.until)) return *problem;
  out.since = out.until - std::chrono::hours(24);
  if (const auto problem = time("since", out.since)) return *problem;
  if (out.since >= out.until) return bad_query("since", "expected a time before until");
  const std::string by = query.get("by").value_or("peer");
  const auto parsed = parse_by(by);
  if (!parsed)
    return bad_query("by", fmt::format("\"{}\", expected one of: peer, group, destination, day, "
                                       "hour, minute",
                                       shown(by)));
  out.by = *parsed;
  out.group = query.get("group").value_or("");
  out.peer = query.get("peer").value_or("");
  // A peer that is gone has a history, so a name need not be known; a key means a name.
  if (const Peer* peer = parts.server.find(std::string_view(out.peer)); peer && !out.peer.empty())
    out.peer = peer->entry.name;
  return out;
}

Api::Impl::Task Api::Impl::get_usage(Call call) {
  const auto query =
      Query::parse(call.request.query, {"since", "until", "by", "peer", "group", "format"});
  if (!query) co_return problem_response(query.problem());
  const auto asked = usage_query(*query);
  if (!asked) co_return problem_response(asked.problem());
  const auto format = query->get("format");
  if (format && *format != "json" && *format != "csv")
    co_return problem_response(
        bad_query("format", fmt::format("\"{}\", expected one of: json, csv", shown(*format))));
  const auto rows = parts.ledger.query(*asked);
  if (!rows) co_return problem_response(rows.problem());
  if (format ? *format == "csv" : prefers_csv(call.request.header("Accept"))) {
    Response response = text_response(report_csv(*asked, *rows));
    response.content_type = "text/csv; charset=utf-8; header=present";
    co_return response;
  }
  co_return json_response(report_json(*asked, query->get("by").value_or("peer"), *rows));
}

}  // namespace culvert::control
