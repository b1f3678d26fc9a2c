// Filter::explain(): everything that says something of a name, in words, the deciding one first.
#include <algorithm>
#include <cstring>

#include "dns/filter_impl.hpp"
#include "dns/safe_search_table.hpp"
#include "dns/types.hpp"

namespace culvert::dns {
namespace {

using Heard = Filter::Explanation::Heard;
using What = Verdict::What;

std::string domain_of(const Name& name, unsigned labels) {
  Name domain = name;
  for (unsigned left = name.labels(); left > labels; --left) domain = domain.parent();
  return domain.to_string();
}

std::string rewrite_text(const Rule& rule) {
  if (!rule.cname.is_root()) return "rewrite to " + rule.cname.to_string();
  std::string out = "rewrite to";
  for (const base::IpAddress& address : rule.addresses) out += ' ' + address.to_string();
  for (const std::string& record : rule.records) out += ' ' + record;
  return out;
}

// Of one that is no rewrite and no forward.
std::string_view action_text(RuleAction action) noexcept {
  switch (action) {
    case RuleAction::allow:
      return "allow";
    case RuleAction::nxdomain:
      return "block with NXDOMAIN";
    case RuleAction::nodata:
      return "block with NODATA";
    case RuleAction::refused:
      return "block with REFUSED";
    case RuleAction::servfail:
      return "block with SERVFAIL";
    case RuleAction::drop:
      return "block without an answer";
    case RuleAction::tcp_only:
      return "answer over TCP only";
    default:
      return "block";
  }
}

std::string action_text(const Rule& rule) {
  if (rule.action == RuleAction::rewrite) return rewrite_text(rule);
  if (rule.action == RuleAction::forward) return "ask " + rule.upstream;
  return std::string(action_text(rule.action));
}

// Every pattern takes letters of either case.
std::string shown(const Rule& rule) {
  constexpr std::string_view any_case = "(?i)";
  std::string_view pattern = rule.pattern;
  if (pattern.starts_with(any_case)) pattern.remove_prefix(any_case.size());
  return '/' + std::string(pattern) + '/';
}

std::string says(const RuleVotes::Vote& vote) {
  const bool allows = vote.kind == RuleVotes::allow || vote.kind == RuleVotes::important_allow;
  const bool important =
      vote.kind == RuleVotes::important_allow || vote.kind == RuleVotes::important_block;
  std::string out = important ? "important: " : "";
  out += vote.rule ? action_text(*vote.rule)
                   : std::string(action_text(allows ? RuleAction::allow : vote.action));
  if (vote.rule && !vote.rule->pattern.empty()) out += " by the pattern " + shown(*vote.rule);
  return out;
}

std::string list_name(const RuleTable* table, std::size_t list) {
  return table && list < table->lists().size() ? table->lists()[list] : std::to_string(list);
}

// What is left to say where no list decides.
std::string_view policy_text(Reason reason) noexcept {
  switch (reason) {
    case Reason::peer_allow:
      return "is allowed by the policy of the client";
    case Reason::peer_block:
      return "is blocked by the policy of the client";
    case Reason::schedule:
      return "is blocked by a schedule that holds now";
    case Reason::canary:
      return "tells browsers and systems to use the DNS of this network";
    case Reason::encrypted_resolver:
      return "belongs to a resolver that would lead around the filter";
    case Reason::safe_search:
      return "is answered by safe search";
    case Reason::ech:
      return "has no HTTPS records under this policy (ech = \"drop\")";
    case Reason::no_ipv6:
      return "has no IPv6 addresses under this policy (filter_aaaa)";
    default:
      return "is not filtered: nothing says anything of it";
  }
}

std::string sentence(const Name& name, const Verdict& verdict, const RuleTable* table,
                     bool paused) {
  std::string out = name.to_string() + ' ';
  if (paused && verdict.reason == Reason::none)
    return out + "is not filtered: the filter is paused for this client";
  if (verdict.reason != Reason::list) return out + std::string(policy_text(verdict.reason));
  switch (verdict.what) {
    case What::pass:
      out += "is allowed";
      break;
    case What::rewrite:
      out += "is rewritten";
      break;
    case What::forward:
      out += "is asked elsewhere";
      break;
    default:
      out += "is blocked";
      break;
  }
  return out + " by the list \"" + list_name(table, verdict.list) + "\" (" +
         domain_of(name, verdict.labels) + ')';
}

}  // namespace

Filter::Explanation Filter::Impl::explain(Client& client, const Name& name, std::uint16_t type,
                                          base::WallTime wall) {
  Explanation out;
  const NamePath path(key, name);
  out.verdict = question(client, path, type, wall, {});
  const Verdict& verdict = out.verdict;
  const Asked now = asked(client, wall);
  out.why = sentence(name, verdict, table.get(), now.paused);
  hear_policy(now, path, verdict, out.heard);
  if (table) hear_rules(client, now, path, type, verdict, out.heard);
  std::stable_sort(out.heard.begin(), out.heard.end(),
                   [](const Heard& a, const Heard& b) { return a.decides && !b.decides; });
  return out;
}

void Filter::Impl::hear_policy(const Asked& now, const NamePath& path, const Verdict& verdict,
                               std::vector<Heard>& out) const {
  const auto hear = [&](Reason reason, const char* list, unsigned labels, std::string text) {
    out.push_back({list, domain_of(path.name(), labels), std::move(text), verdict.reason == reason});
  };
  const NameSet::Found found = now.policy.names().find(path, now.wanted());
  if (found.bits & NameSet::allow) hear(Reason::peer_allow, "policy", found.allow_labels, "allow");
  if (found.bits & NameSet::block) hear(Reason::peer_block, "policy", found.block_labels, "block");
  if (found.bits & NameSet::schedules)
    hear(Reason::schedule, "schedule", found.schedule_labels, "block");
  if (now.everything()) hear(Reason::schedule, "schedule", 0, "block everything");
  Verdict other;
  if (by_canary(now, path, other)) hear(Reason::canary, "canary", other.labels, "block");
  if (by_resolvers(now, path, other))
    hear(Reason::encrypted_resolver, "encrypted resolvers", other.labels, "block");
  if (by_safe_search(now, path, other))
    hear(Reason::safe_search, "safe search", other.labels,
         "rewrite to " + safe_search_target(path.name())->to_string());
}

void Filter::Impl::hear_rules(Client& client, const Asked& now, const NamePath& path,
                              std::uint16_t type, const Verdict& verdict, std::vector<Heard>& out) {
  const Name& name = path.name();
  const ListMask active = now.policy.lists(now.schedules);
  if (active.none()) return;
  const RuleAsk ask{name, type, client.config, now.policy.policy().tags};
  bool decided = verdict.reason != Reason::list;
  RuleVotes(*table, rights, active, path, ask, memo).each([&](const RuleVotes::Vote& vote) {
    const bool allows = vote.kind == RuleVotes::allow || vote.kind == RuleVotes::important_allow;
    const bool same = vote.list == verdict.list && vote.labels == verdict.labels &&
                      vote.rule == verdict.rule && allows == (verdict.action == RuleAction::allow);
    out.push_back({list_name(table.get(), vote.list), domain_of(name, vote.labels), says(vote),
                   same && !decided});
    decided |= same;
  });
}

Filter::Explanation Filter::explain(Client& client, const Name& name, std::uint16_t type,
                                    base::WallTime wall) {
  return impl_->explain(client, name, type, wall);
}

}  // namespace culvert::dns
