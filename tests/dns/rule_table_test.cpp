// The rule table against a model that keeps every rule in a map.
#include "dns/rule_table.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "tests/dns/rule_table_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/instrumented.hpp"

using namespace culvert;
using namespace culvert::dns;
using namespace culvert::dns::test;

namespace {

using Found = std::array<RuleTable::Match, RuleTable::max_matches>;

std::string to_text(const Rule& rule) {
  return std::to_string(int(rule.action)) + (rule.important ? "!" : "") +
         std::to_string(int(rule.reach));
}

// What is true of a name: by the model, and of what the table finds.
struct Heard {
  unsigned labels;
  RuleTable::Said said;
  bool operator==(const Heard& other) const {
    return labels == other.labels && std::memcmp(&said, &other.said, sizeof(said)) == 0;
  }
};

std::string wire_of(const Name& name) {
  return {reinterpret_cast<const char*>(name.wire().data()), name.size()};
}

class Model {
 public:
  void add(const AddedRule& added) {
    auto& at = domains_[wire_of(added.rule.domain)];
    (added.badfilter ? at.off : at.on).insert({added.list, to_text(added.rule)});
    at.rules.insert_or_assign({added.list, to_text(added.rule)}, added.rule);
  }

  std::vector<Heard> find(const Name& wanted) const {
    std::vector<Heard> out;
    Name domain = wanted;
    for (unsigned labels = wanted.labels();; --labels, domain = domain.parent()) {
      if (const auto at = domains_.find(wire_of(domain)); at != domains_.end()) {
        const RuleTable::Said said = at->second.said(domain == wanted);
        const bool any = said.block.any() || said.allow.any() || said.important_block.any() ||
                         said.important_allow.any();
        if (any && out.size() < RuleTable::max_matches) out.push_back({labels, said});
      }
      if (labels == 0) return out;
    }
  }

  std::uint64_t rules() const {
    std::uint64_t count = 0;
    for (const auto& [domain, at] : domains_) {
      std::set<std::string> says;
      for (const auto& key : at.on)
        if (!at.off.contains(key)) says.insert(key.second);
      count += says.size();
    }
    return count;
  }

 private:
  using Key = std::pair<std::uint16_t, std::string>;
  struct At {
    std::set<Key> on, off;
    std::map<Key, Rule> rules;

    RuleTable::Said said(bool itself) const {
      RuleTable::Said out;
      for (const Key& key : on) {
        const Rule& rule = rules.at(key);
        const bool reaches =
            rule.reach == Rule::Reach::subdomains || (rule.reach == Rule::Reach::exact) == itself;
        if (off.contains(key) || !reaches) continue;
        ListMask& mask = rule.action == RuleAction::allow
                             ? (rule.important ? out.important_allow : out.allow)
                             : (rule.important ? out.important_block : out.block);
        mask.set(key.first);
      }
      return out;
    }
  };
  std::map<std::string, At> domains_;
};

std::vector<Heard> found_by(const RuleTable& table, const Name& wanted) {
  Found found;
  std::vector<Heard> out;
  const std::size_t count = table.find(wanted, found);
  for (std::size_t i = 0; i < count; ++i)
    out.push_back({found[i].labels, found[i].said ? *found[i].said : RuleTable::Said{}});
  return out;
}

// Names of few labels out of few words, so that domains meet often; some are long or deep.
class Names {
 public:
  explicit Names(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  std::string next() {
    std::string out = word(6);
    for (std::uint64_t i = below(5); i > 0; --i) out = word(below(3) == 0 ? 2000 : 12) + '.' + out;
    if (below(50) == 0 && out.size() < 150)
      for (std::uint64_t i = 5 + below(18); i > 0; --i) out = word(1) + '.' + out;
    return out;
  }

 private:
  std::string word(std::uint64_t words) {
    const std::uint64_t number = below(words);
    const std::size_t length = 1 + number * 7 % (number % 5 == 4 ? 40 : 16);
    return std::string(length, char('a' + number % 26)) + std::to_string(number);
  }
  std::mt19937_64 random_;
};

std::vector<AddedRule> random_rules(std::uint64_t seed, std::size_t count, std::uint16_t lists) {
  Names names(seed);
  std::vector<AddedRule> out;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string domain = names.below(5000) == 0 ? "." : names.next();
    const Rule rule = rule_at(domain, names.below(4) == 0 ? RuleAction::allow : RuleAction::block,
                              static_cast<Rule::Reach>(names.below(3)), names.below(5) == 0);
    out.push_back({static_cast<std::uint16_t>(names.below(lists)), rule, names.below(20) == 0});
  }
  return out;
}

}  // namespace

TEST_CASE("the table says of any name what a map of all rules says") {
  const std::size_t rounds = culvert::test::instrumented ? 5'000 : 35'000;
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    const auto rules = random_rules(seed, 15'000, seed == 3 ? 256 : 5);
    const BuiltTable built = build(rules, seed == 3 ? 256 : 5, seed);
    Model model;
    for (const AddedRule& rule : rules) model.add(rule);
    CHECK(built.table->rules() == model.rules());
    Names names(seed + 100);
    std::size_t hits = 0, wrong = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
      const Name wanted = name(names.next());
      const auto expected = model.find(wanted);
      hits += !expected.empty();
      wrong += found_by(*built.table, wanted) != expected;
    }
    CHECK(wrong == 0);
    CHECK(hits > rounds / 3);
  }
}

TEST_CASE("each reach reaches what it says and no more") {
  const BuiltTable built = build({{0, rule_at("exact.test", RuleAction::block, Rule::Reach::exact)},
                                  {1, rule_at("below.test", RuleAction::block, Rule::Reach::below)},
                                  {2, rule_at("all.test")}});
  const auto lists = [&](const std::string& text) {
    Found found;
    ListMask mask;
    for (std::size_t i = built.table->find(name(text), found); i > 0; --i)
      mask |= found[i - 1].said->block;
    return mask.to_ulong();
  };
  CHECK(lists("exact.test") == 1);
  CHECK(lists("a.exact.test") == 0);
  CHECK(lists("below.test") == 0);
  CHECK(lists("a.below.test") == 2);
  CHECK(lists("all.test") == 4);
  CHECK(lists("a.b.all.test") == 4);
  CHECK(lists("test") == 0);
  CHECK(lists("xall.test") == 0);
  CHECK(lists(".") == 0);
}

TEST_CASE("labels of every length tell names apart") {
  std::vector<AddedRule> rules;
  for (std::size_t length = 1; length <= Name::max_label; ++length)
    rules.push_back({0, rule_at(std::string(length, 'a') + ".test")});
  const BuiltTable built = build(rules);
  Found found;
  for (std::size_t length = 1; length <= Name::max_label; ++length) {
    const std::string label(length, 'a');
    CHECK(built.table->find(name(label + ".test"), found) == 1);
    CHECK(built.table->find(name(label + ".test.test"), found) == 0);
    for (std::size_t at = 0; at < length; ++at) {
      std::string other = label;
      other[at] = 'b';
      CHECK(built.table->find(name(other + ".test"), found) == 0);
    }
  }
}

TEST_CASE("of more domains than fit the longest are found") {
  std::vector<AddedRule> rules;
  std::string domain;
  for (int i = 0; i < 100; ++i) {
    domain = domain.empty() ? "a" : "a." + domain;
    rules.push_back({0, rule_at(domain)});
  }
  const BuiltTable built = build(rules);
  Found found;
  REQUIRE(built.table->find(name(domain), found) == found.size());
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i].labels == 100 - i);
}

TEST_CASE("an empty table finds nothing") {
  const BuiltTable built = build({}, 0);
  Found found;
  CHECK(built.table->find(name("example.com"), found) == 0);
  CHECK(built.table->find(Name(), found) == 0);
  CHECK(built.table->lists().empty());
  CHECK(built.table->rules() == 0);
  CHECK_FALSE(built.table->has_patterns());
  CHECK_FALSE(built.table->has_addresses());
  CHECK(built.table->find_address(*base::IpAddress::parse("1.2.3.4")) == nullptr);
}

TEST_CASE("a table knows its lists, its size and its generation") {
  const std::vector<AddedRule> rules{{0, rule_at("a.test")}, {1, rule_at("a.test")}};
  const BuiltTable built = build(rules, 2), again = build(rules, 2, 2);
  CHECK(built.table->lists() == std::vector<std::string>{"list0", "list1"});
  CHECK(built.table->rules() == 1);
  CHECK(built.table->bytes() == built.built.bytes);
  CHECK(built.table->generation() == built.built.generation);
  CHECK(built.table->generation() != 0);
  CHECK(built.table->generation() != again.table->generation());
}

TEST_CASE("a badfilter rule takes away the same rule of its own list only, wherever it stands") {
  const BuiltTable built =
      build({{0, rule_at("a.test"), true},
             {0, rule_at("a.test")},
             {1, rule_at("a.test")},
             {0, rule_at("a.test", RuleAction::allow)},
             {0, rule_at("b.test", RuleAction::block, Rule::Reach::exact), true},
             {0, rule_at("b.test")}});
  Found found;
  REQUIRE(built.table->find(name("a.test"), found) == 1);
  CHECK(found[0].said->block.to_ulong() == 2);
  CHECK(found[0].said->allow.to_ulong() == 1);
  CHECK(built.table->find(name("b.test"), found) == 1);
  CHECK(built.built.switched_off == std::vector<std::uint64_t>{1, 0, 0, 0});
  CHECK(built.table->rules() == 3);
}

TEST_CASE("more than 65,535 different sets of rules are kept apart") {
  constexpr std::uint32_t domains = 70'000;
  // Bit i of its number says whether list i has a domain: all sets differ.
  SeededRandom random(1);
  RuleBuilder builder(std::vector<std::string>(17, "list"), random);
  Rule rule;
  for (std::uint32_t i = 1; i <= domains; ++i) {
    rule.domain = name("d" + std::to_string(i) + ".test");
    for (std::uint16_t list = 0; list < 17; ++list)
      if (i >> list & 1) builder.add(list, rule, false);
  }
  const auto file = memory_file();
  REQUIRE(builder.write(file.get()));
  const auto table = RuleTable::map(file.get());
  REQUIRE(table);
  Found found;
  std::size_t right = 0;
  for (std::uint32_t i = 1; i <= domains; ++i)
    right += (*table)->find(name("d" + std::to_string(i) + ".test"), found) == 1 &&
             found[0].said->block.to_ulong() == i;
  CHECK(right == domains);
}

TEST_CASE("the same lists, more rules than are kept unmerged, become the same table") {
  SeededRandom random(7);
  std::vector<std::string> names{"a", "b"};
  RuleBuilder builder(names, random, 10'000);
  Rule rule;
  constexpr int domains = 30'000;
  for (const std::uint16_t list : std::initializer_list<std::uint16_t>{0, 1, 0, 1}) {
    for (int i = 0; i < domains; ++i) {
      rule.domain = name("n" + std::to_string(i) + ".test");
      builder.add(list, rule, false);
    }
  }
  const auto file = memory_file();
  const auto built = builder.write(file.get());
  REQUIRE(built);
  CHECK(built->rules == domains);
  const auto table = RuleTable::map(file.get());
  REQUIRE(table);
  Found found;
  std::size_t right = 0;
  for (int i = 0; i < domains; i += 7)
    right += (*table)->find(name("n" + std::to_string(i) + ".test"), found) == 1 &&
             found[0].said->block.to_ulong() == 3;
  CHECK(right == (domains + 6) / 7);
}
