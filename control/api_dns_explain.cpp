// /v1/dns/explain: the verdict that a client's question gets, by the code and the rules that its
// worker has, and the lines of the lists behind it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "control/api_impl.hpp"
#include "control/api_json.hpp"
#include "control/list_keeper.hpp"
#include "control/uri.hpp"
#include "dns/lead.hpp"
#include "dns/name_text.hpp"
#include "dns/types.hpp"

namespace culvert::control {
namespace {

using Explanation = dns::Filter::Explanation;

struct Question {
  dns::Name name;
  dns::Name decided;  // the name that decides: it, or the one it leads to
  std::uint16_t type = dns::type::a;
  const Peer* peer = nullptr;  // null: one that has no group
};

Outcome<Question> question_of(const Query& query, const Server& server) {
  Question question;
  const std::string text = query.get("name").value_or("");
  const auto name = dns::Name::parse(text);
  if (!name || !(name->is_root() || dns::looks_like_domain(text)))
    return bad_query("name", fmt::format("\"{}\", expected a domain name in ASCII, such as "
                                         "\"www.example.com\"",
                                         shown(text)));
  question.name = question.decided = *name;
  const std::string type = query.get("type").value_or("A");
  const auto number = dns::parse_type(type);
  if (!number)
    return bad_query("type",
                     fmt::format("\"{}\", expected a type such as A, AAAA, HTTPS", shown(type)));
  question.type = *number;
  if (const auto peer = query.get("peer")) {
    question.peer = server.find(std::string_view(*peer));
    if (!question.peer) return no_such_peer(*peer);
  }
  return question;
}

dns::ClientConfig client_config(const Peer* peer, Server& server) {
  dns::ClientConfig config;
  if (peer) {
    config.slot = peer->slot;
    config.name = peer->entry.name;
    config.group = peer->entry.group;
    config.addresses = peer->entry.allowed_ips;
    config.policy = peer->entry.policy.dns;
    config.controls = &server.controls(peer->slot);
  }
  if (!config.policy) config.policy = std::make_shared<dns::Policy>(server.dns_settings().policy);
  return config;
}

// Names that are answered before any rule is asked.
std::unique_ptr<dns::LocalZone> local_zone(const Server& server) {
  std::vector<base::IpAddress> own;
  for (const std::string& text : server.info().address)
    if (const auto address = base::IpAddress::parse(text.substr(0, text.find('/'))))
      own.push_back(*address);
  auto zone = std::make_unique<dns::LocalZone>(server.dns_settings(), own);
  for (const Peer* peer : server.peers()) {
    std::vector<base::IpAddress> addresses;
    for (const base::Prefix& prefix : peer->entry.allowed_ips)
      if (prefix.length() == (prefix.address().is_v6() ? 128 : 32))
        addresses.push_back(prefix.address());
    zone->set_peer(peer->entry.name, addresses);
  }
  return zone;
}

Explanation explain_local(const Question& question, dns::LocalZone::Kind kind) {
  const bool special = kind == dns::LocalZone::Kind::special;
  Explanation out;
  out.verdict.what = dns::Verdict::What::local;
  out.verdict.reason = special ? dns::Reason::special_name : dns::Reason::local_record;
  out.why = fmt::format("{} is answered by the server itself: {}", question.name.to_string(),
                        special ? "such names do not leave the machine"
                                : "it is a record of [dns], or the name of a peer");
  return out;
}

// What becomes of a name that a record or a rewrite leads to another one.
void explain_lead(dns::Filter& filter, const dns::LocalZone& zone, dns::Client& client,
                  Question& question, base::WallTime now, Explanation& out) {
  std::array<std::byte, 512> octets;
  const std::size_t size = dns::write_query(octets, 0, question.name.wire(), question.type,
                                            dns::class_::in, false, false, 0);
  dns::Query query;
  if (dns::read_query(base::Bytes(octets).first(size), query) != dns::QueryFault::none) return;
  std::vector<std::byte> answer(dns::max_message);
  dns::AnswerWriter writer(answer, answer.size(), query);
  const dns::Lead led = dns::lead(filter, zone, client, {query, false, now}, writer);
  if (led.end == dns::Lead::End::written || led.name == question.name) return;
  out.why += fmt::format("; it leads to {}", led.name.to_string());
  if (led.end != dns::Lead::End::refuse) return;
  Explanation behind = filter.explain(client, led.name, question.type, now);
  out.verdict = led.verdict;
  question.decided = led.name;
  out.why += "; " + behind.why;
  for (auto& heard : out.heard) heard.decides = false;
  out.heard.insert(out.heard.begin(), behind.heard.begin(), behind.heard.end());
}

Explanation explain(Server& server, std::shared_ptr<const dns::RuleTable> table, Question& question,
                    base::WallTime now) {
  const auto zone = local_zone(server);
  dns::Filter filter(server.dns_settings());
  filter.set_table(std::move(table));
  base::PeerCounters counters;
  dns::Client client(client_config(question.peer, server), counters, server.dns_settings().limits,
                     base::Time{});
  const auto local = zone->holds(question.name);
  Explanation out = local != dns::LocalZone::Kind::no
                        ? explain_local(question, local)
                        : filter.explain(client, question.name, question.type, now);
  const auto what = out.verdict.what;
  if (what == dns::Verdict::What::local || what == dns::Verdict::What::rewrite)
    explain_lead(filter, *zone, client, question, now, out);
  return out;
}

std::string_view to_string(dns::Verdict::What what) noexcept {
  switch (what) {
    case dns::Verdict::What::block:
      return "block";
    case dns::Verdict::What::rewrite:
      return "rewrite";
    case dns::Verdict::What::forward:
      return "forward";
    case dns::Verdict::What::local:
      return "local";
    default:
      return "pass";
  }
}

std::vector<std::string> lists_of(const Explanation& explained, const ListKeeper& keeper) {
  std::vector<std::string> names;
  for (const ListStatus& each : keeper.lists()) {
    const std::string& name = each.settings.name;
    const bool heard = std::ranges::any_of(
        explained.heard, [&](const auto& each_heard) { return each_heard.list == name; });
    if (heard) names.push_back(name);
  }
  return names;
}

Json heard_json(const Explanation& explained) {
  Json list = Json::array();
  for (const auto& each : explained.heard)
    list.push_back({{"list", each.list},
                    {"domain", each.domain},
                    {"says", each.says},
                    {"decides", each.decides}});
  return list;
}

}  // namespace

Api::Impl::Task Api::Impl::explain_dns(Call call) {
  const auto query = Query::parse(call.request.query, {"name", "type", "peer"});
  if (!query) co_return problem_response(query.problem());
  auto question = question_of(*query, parts.server);
  if (!question) co_return problem_response(question.problem());
  const std::string peer = question->peer ? question->peer->entry.name : "";
  const auto table = parts.lists->table();
  const Explanation explained = explain(parts.server, table, *question, parts.now());
  const dns::Verdict& verdict = explained.verdict;
  const bool by_list =
      table && verdict.list < table->lists().size() &&
      (verdict.reason == dns::Reason::list || verdict.reason == dns::Reason::answer_address);
  Json body{{"name", question->name.to_string()},
            {"type", dns::type_text(question->type)},
            {"peer", text_or_null(peer)},
            {"verdict", to_string(verdict.what)},
            {"reason", dns::to_string(verdict.reason)},
            {"list", by_list ? Json(table->lists()[verdict.list]) : Json(nullptr)},
            {"why", explained.why},
            {"heard", heard_json(explained)}};
  auto found =
      co_await parts.lists->find_lines(lists_of(explained, *parts.lists), question->decided);
  Json lines = Json::array();
  if (found)
    for (const auto& list : *found)
      for (const dns::RuleLine& each : list.lines)
        lines.push_back({{"list", list.list}, {"line", each.line}, {"text", each.text}});
  body["lines"] = std::move(lines);
  body["lines_error"] = found ? Json(nullptr) : Json(found.problem().to_line());
  co_return json_response(body);
}

}  // namespace culvert::control
