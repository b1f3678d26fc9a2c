// The DNS policy: in [dns] for everybody, and with "dns_" before each key in a group or of a peer.
#include <fmt/format.h>

#include <algorithm>

#include "app/config_policy.hpp"
#include "dns/name_text.hpp"

namespace culvert::app {
namespace {

template <class T>
struct Word {
  std::string_view word;
  T value;
};

template <class T, std::size_t N>
void read_word(TableReader& table, const std::string& key, const Word<T> (&words)[N], T& field) {
  std::vector<std::string> names;
  for (const auto& each : words) names.emplace_back(each.word);
  std::string chosen;
  if (!table.choice(key, chosen, names)) return;
  for (const auto& [word, value] : words)
    if (word == chosen) field = value;
}

using dns::AnswerMode;
constexpr Word<AnswerMode> answers[] = {{"null", AnswerMode::null_address},
                                        {"nxdomain", AnswerMode::nxdomain},
                                        {"nodata", AnswerMode::nodata},
                                        {"refused", AnswerMode::refused},
                                        {"drop", AnswerMode::drop}};
constexpr Word<dns::LogPrivacy> privacies[] = {{"off", dns::LogPrivacy::off},
                                               {"counts", dns::LogPrivacy::counts},
                                               {"blocked", dns::LogPrivacy::blocked},
                                               {"full", dns::LogPrivacy::full}};
constexpr Word<dns::EchPolicy> echs[] = {{"allow", dns::EchPolicy::allow},
                                         {"strip", dns::EchPolicy::strip},
                                         {"drop", dns::EchPolicy::drop}};

// "null", or addresses of a page that says why.
void read_answer(TableReader& table, const std::string& key, dns::Policy& policy) {
  constexpr const char* expected =
      "null, nxdomain, nodata, refused, drop, or at most one address of each family";
  const std::vector<Node> nodes = table.strings(key);
  if (table.has(key) && is_empty_list(*table.take(key)))
    return table.wrong(key, *table.take(key), expected);
  if (nodes.empty()) return;
  const auto* word = std::ranges::find(answers, nodes.front().text, &Word<AnswerMode>::word);
  policy.answer4 = policy.answer6 = {};
  if (nodes.size() == 1 && word != std::end(answers)) {
    policy.answer = word->value;
    return;
  }
  policy.answer = AnswerMode::address;
  for (const Node& node : nodes) {
    const auto address = base::IpAddress::parse(node.text);
    base::IpAddress& field = address && address->is_v6() ? policy.answer6 : policy.answer4;
    if (!address || field) return table.wrong(key, node, expected);
    field = *address;
  }
}

void read_names(TableReader& table, const std::string& key, std::vector<std::string>& field) {
  if (table.has(key)) field.clear();
  for (const Node& node : table.strings(key)) {
    const std::string_view name =
        std::string_view(node.text).substr(node.text.starts_with('=') ? 1 : 0);
    if (!dns::looks_like_domain(name) || !dns::Name::parse(name))
      table.wrong(
          key, node,
          "a domain in ASCII such as \"example.com\", with all below it, or \"=example.com\"");
    else
      field.push_back(node.text);
  }
}

void read_texts(TableReader& table, const std::string& key, std::vector<std::string>& field) {
  if (table.has(key)) field.clear();
  for (const Node& node : table.strings(key)) field.push_back(node.text);
}

void read_schedule(Node& node, const std::string& name, dns::Policy& policy, Findings& findings) {
  TableReader table(&node, name, findings);
  dns::Schedule schedule;
  if (!table.string("hours", schedule.hours)) {
    if (!table.has("hours"))
      findings.error(node.place, fmt::format("{}.hours is missing, expected hours such as "
                                             "\"mon-fri 21:00-07:00\"",
                                             name));
  } else if (!control::Hours::parse(schedule.hours)) {
    table.wrong("hours", *table.take("hours"),
                "hours such as \"mon-fri 21:00-07:00, sat 23:00-09:00\"");
  }
  read_texts(table, "lists", schedule.lists);
  read_names(table, "block", schedule.block);
  table.boolean("everything", schedule.everything);
  if (schedule.lists.empty() && schedule.block.empty() && !schedule.everything)
    findings.error(node.place,
                   fmt::format("{} blocks nothing, expected lists, block or everything", name));
  table.finish();
  policy.schedules.push_back(std::move(schedule));
}

void read_schedules(TableReader& table, const std::string& key, dns::Policy& policy,
                    Findings& findings) {
  if (table.has(key)) policy.schedules.clear();
  const std::vector<Node*> nodes = table.tables(key);
  if (nodes.size() > dns::max_schedules)
    return table.wrong(key, *table.take(key),
                       fmt::format("at most {} of them", dns::max_schedules));
  for (Node* node : nodes) read_schedule(*node, table.full(key), policy, findings);
}

void read_optional(TableReader& table, const std::string& key, std::optional<bool>& field) {
  bool value = false;
  if (table.boolean(key, value)) field = value;
}

}  // namespace

bool is_empty_list(const Node& node) {
  return node.kind == Node::Kind::array && node.items.empty();
}

void read_dns_policy(TableReader& table, const std::string& prefix,
                     std::shared_ptr<const dns::Policy>& policy, Findings& findings) {
  dns::Policy made = policy ? *policy : dns::Policy{};
  read_texts(table, prefix + "lists", made.lists);
  read_names(table, prefix + "allow", made.allow);
  read_names(table, prefix + "block", made.block);
  read_texts(table, prefix + "tags", made.tags);
  read_answer(table, prefix + "answer", made);
  table.seconds(prefix + "answer_ttl", made.answer_ttl, 0, 86400);
  read_word(table, prefix + "log", privacies, made.log);
  if (!prefix.empty()) read_upstreams(table, prefix + "upstream", made.upstream);
  table.boolean(prefix + "safe_search", made.safe_search);
  read_optional(table, prefix + "refuse_bypass", made.refuse_bypass);
  table.boolean(prefix + "only_handed_out", made.only_handed_out);
  read_word(table, prefix + "ech", echs, made.ech);
  table.boolean(prefix + "rebinding_protection", made.rebinding_protection);
  table.boolean(prefix + "filter_aaaa", made.filter_aaaa);
  read_schedules(table, prefix + "schedule", made, findings);
  // Who says nothing shares the policy it has from.
  if (!policy || made != *policy) policy = std::make_shared<const dns::Policy>(std::move(made));
}

}  // namespace culvert::app
