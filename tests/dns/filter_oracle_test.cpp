// Random rules, lists, policies and names: the filter against the order written down as plainly as
// can be.
#include <algorithm>
#include <random>

#include "tests/dns/filter_support.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::dns;
using namespace culvert::dns::test;

namespace {

struct PlainRule {
  bool allow = false, important = false, pattern = false;
  std::string domain;
  std::string type, client, tag, deny;  // modifiers; "" = not said
};

struct PlainList {
  std::string name;
  bool trusted = false, allows = false;
  std::vector<PlainRule> rules;
};

bool is_below(const std::string& text, const std::string& domain) {
  return text == domain || text.ends_with('.' + domain);
}

class Chance {
 public:
  explicit Chance(unsigned seed) : engine_(seed) {}
  unsigned below(unsigned n) { return unsigned(engine_() % n); }
  bool one_in(unsigned n) { return below(n) == 0; }
  std::string domain() {
    constexpr const char* labels[] = {"a", "b", "c"};
    std::string out = "test";
    for (unsigned i = 1 + below(3); i > 0; --i) out = std::string(labels[below(3)]) + '.' + out;
    return out;
  }

 private:
  std::mt19937 engine_;
};

PlainRule rule_of(Chance& chance) {
  PlainRule rule;
  rule.allow = chance.one_in(3);
  rule.important = chance.one_in(4);
  rule.pattern = chance.one_in(8);
  rule.domain = chance.domain();
  if (chance.one_in(5)) rule.type = chance.one_in(2) ? "AAAA" : "~AAAA";
  if (chance.one_in(6)) rule.client = chance.one_in(2) ? "laptop" : "~family";
  if (chance.one_in(6)) rule.tag = chance.one_in(2) ? "child" : "~child";
  if (chance.one_in(6)) rule.deny = chance.domain();
  return rule;
}

std::string text_of(const PlainRule& rule) {
  std::string out = rule.allow ? "@@" : "";
  if (rule.pattern)
    out += "/(^|\\.)" + rule.domain + "$/";
  else
    out += "||" + rule.domain + '^';
  std::string modifiers;
  const auto add = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) modifiers += (modifiers.empty() ? "$" : ",") + name + '=' + value;
  };
  if (rule.important) modifiers = "$important";
  add("dnstype", rule.type);
  add("client", rule.client);
  add("ctag", rule.tag);
  add("denyallow", rule.deny);
  return out + modifiers + '\n';
}

struct PlainPolicy {
  std::vector<std::string> allow, block;
  std::vector<std::string> lists;
  bool child = false, paused = false, schedule = false, everything = false;
  std::vector<std::string> schedule_names, schedule_lists;
};

bool holds(const std::string& said, const std::string& yes, bool is) {
  return said.empty() || (said == yes ? is : !is);
}

// Does the rule say anything of this question?
bool speaks(const PlainRule& rule, const PlainPolicy& policy, const std::string& asked,
            std::uint16_t type) {
  return is_below(asked, rule.domain) && holds(rule.type, "AAAA", type == type::aaaa) &&
         (rule.client.empty() || rule.client == "laptop") &&
         holds(rule.tag, "child", policy.child) &&
         (rule.deny.empty() || !is_below(asked, rule.deny));
}

bool any_above(const std::vector<std::string>& domains, const std::string& asked) {
  return std::any_of(domains.begin(), domains.end(), [&](const std::string& each) {
    return each.starts_with('=') ? asked == each.substr(1) : is_below(asked, each);
  });
}

bool has(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

// What the rules of the lists decide: "", "pass" or "block".
std::string by_lists(const std::vector<PlainList>& lists, const PlainPolicy& policy,
                     const std::string& asked, std::uint16_t type) {
  bool important_allow = false, important_block = false, allow = false, block = false;
  for (const PlainList& list : lists) {
    const bool active =
        has(policy.lists, list.name) || (policy.schedule && has(policy.schedule_lists, list.name));
    bool own_allow = false, own_block = false;
    for (const PlainRule& rule : list.rules) {
      if (!active || !speaks(rule, policy, asked, type)) continue;
      const bool allows = rule.allow || list.allows;
      if (list.trusted && rule.important)
        (allows ? important_allow : important_block) = true;
      else if (list.trusted || list.allows)
        (allows ? allow : block) = true;
      else if (!(rule.allow && rule.important))  // the parser drops those
        (allows ? own_allow : own_block) = true;
    }
    if (own_block && !own_allow) block = true;
  }
  if (important_allow) return "pass";
  if (important_block) return "block";
  return allow ? "pass" : block ? "block" : "";
}

std::string oracle(const std::vector<PlainList>& lists, const PlainPolicy& policy,
                   const std::string& asked, std::uint16_t type) {
  if (any_above(policy.allow, asked)) return "pass peer_allow";
  if (policy.paused) return "pass";
  if (any_above(policy.block, asked)) return "block peer_block";
  if (policy.schedule && any_above(policy.schedule_names, asked)) return "block schedule";
  if (policy.schedule && policy.everything) return "block schedule";
  const std::string said = by_lists(lists, policy, asked, type);
  return said.empty() ? "pass" : said + " list";
}

std::vector<std::string> some(Chance& chance, unsigned most) {
  std::vector<std::string> out;
  for (unsigned i = chance.below(most + 1); i > 0; --i)
    out.push_back((chance.one_in(3) ? "=" : "") + chance.domain());
  return out;
}

PlainPolicy policy_by(Chance& chance) {
  PlainPolicy out;
  out.allow = some(chance, 1);
  out.block = some(chance, 1);
  for (const char* list : {"l0", "l1", "l2", "l3"})
    if (!chance.one_in(3)) out.lists.push_back(list);
  out.child = chance.one_in(2);
  out.paused = chance.one_in(10);
  out.schedule = chance.one_in(2);
  out.everything = chance.one_in(8);
  out.schedule_names = some(chance, 1);
  if (chance.one_in(2)) out.schedule_lists = {"l1"};
  return out;
}

void use(World& world, const PlainPolicy& plain) {
  Policy policy;
  policy.allow = plain.allow;
  policy.block = plain.block;
  policy.lists = plain.lists;
  if (plain.child) policy.tags = {"child"};
  Schedule schedule;
  schedule.block = plain.schedule_names;
  schedule.lists = plain.schedule_lists;
  schedule.everything = plain.everything;
  policy.schedules = {Schedule(), schedule};
  world.policy = policy;
  world.use_policy();
  world.controls.dns_schedules.set(plain.schedule ? 2 : 1);
  world.controls.dns_paused_until.set(plain.paused ? 2'000'000 : 0);
}

std::vector<PlainList> lists_by(Chance& chance) {
  std::vector<PlainList> lists;
  for (unsigned i = 0; i < 4; ++i) {
    PlainList list;
    list.name = "l" + std::to_string(i);
    list.trusted = chance.one_in(2);
    list.allows = chance.one_in(5);
    for (unsigned rules = chance.below(7); rules > 0; --rules)
      list.rules.push_back(rule_of(chance));
    lists.push_back(list);
  }
  return lists;
}

}  // namespace

TEST_CASE("random policies, rules and names are decided as the order says") {
  std::size_t decided = 0, questions = 0;
  for (unsigned seed = 1; seed <= 60; ++seed) {
    Chance chance(seed);
    const std::vector<PlainList> lists = lists_by(chance);
    std::vector<ListText> texts;
    std::string all;
    for (const PlainList& list : lists) {
      std::string text;
      for (const PlainRule& rule : list.rules) text += text_of(rule);
      texts.push_back({list.name, text, list.trusted, list.allows});
      all += list.name + (list.trusted ? " trusted" : "") + (list.allows ? " allows" : "") + '\n' +
             text;
    }
    World world(texts);
    for (unsigned round = 0; round < 12; ++round) {
      const PlainPolicy policy = policy_by(chance);
      use(world, policy);
      for (unsigned i = 0; i < 60; ++i) {
        const std::string asked = chance.domain();
        const std::uint16_t type = chance.one_in(3) ? type::aaaa : type::a;
        const std::string wanted = oracle(lists, policy, asked, type);
        std::string said = world.say(asked, type);
        said = said.substr(0, said.find(" l"));
        if (wanted.ends_with(" list")) said += " list";
        ++questions;
        decided += wanted != "pass";
        if (said != wanted)
          FAIL("seed " << seed << ": " << asked << ' ' << type << " is " << said << ", not "
                       << wanted << "\n"
                       << all);
      }
    }
  }
  CHECK(decided > questions / 4);
}
