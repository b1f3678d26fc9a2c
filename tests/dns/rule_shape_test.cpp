// Rules of every shape, domains of one label and of a hundred, against a map of them; and that a
// table is as large as its rules are many, whatever they look like.
#include <map>
#include <set>

#include "dns/rule_filter.hpp"
#include "tests/dns/rule_table_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/instrumented.hpp"

using namespace culvert;
using namespace culvert::dns;
using namespace culvert::dns::test;

namespace {

using Found = std::array<RuleTable::Match, RuleTable::max_matches>;

class Shapes {
 public:
  explicit Shapes(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  // Few words, so that names meet; now and then a label of up to 63 octets.
  std::string label() {
    const std::uint64_t number = below(40);
    const std::size_t size = below(200) == 0 ? 1 + below(60) : number % 5;
    return std::string(size, 'x') + std::to_string(number);
  }
  std::string name(unsigned labels) {
    std::string out;
    while (labels-- > 0) {
      const std::string next = label();
      if (out.size() + next.size() > 250) break;
      out = out.empty() ? next : next + '.' + out;
    }
    return out;
  }
  // One to three labels mostly, some of dozens.
  unsigned labels() { return unsigned(below(20) == 0 ? 1 + below(120) : 1 + below(4)); }

 private:
  std::mt19937_64 random_;
};

std::string parent_of(const std::string& name) {
  const std::size_t dot = name.find('.');
  return dot == std::string::npos ? "" : name.substr(dot + 1);
}

// By domain, what each reach blocks; all are of one list.
using Model = std::map<std::string, std::set<Rule::Reach>>;

// The labels of the domains whose rules reach the name, the longest first.
std::vector<unsigned> reaching(const Model& model, const std::string& asked) {
  std::vector<unsigned> out;
  unsigned labels = Name::parse(asked)->labels();
  for (std::string domain = asked; !domain.empty(); domain = parent_of(domain), --labels) {
    const auto rules = model.find(domain);
    if (rules == model.end()) continue;
    const bool reached =
        rules->second.contains(Rule::Reach::subdomains) ||
        rules->second.contains(domain == asked ? Rule::Reach::exact : Rule::Reach::below);
    if (reached && out.size() < RuleTable::max_matches) out.push_back(labels);
  }
  return out;
}

std::vector<unsigned> found_by(const RuleTable& table, const std::string& asked) {
  Found found;
  const Name wanted = name(asked);
  const std::size_t count = table.find(wanted, found);
  std::vector<unsigned> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(found[i].labels);
  if (count != 0) CHECK(table.may_match({table.key(), wanted}));
  return out;
}

std::uint64_t bytes_of(const std::vector<AddedRule>& rules) {
  return build(rules).built.bytes;
}

}  // namespace

TEST_CASE("rules of any number of labels are found from names of any number") {
  const unsigned rounds = culvert::test::instrumented ? 2'000 : 20'000;
  for (const std::uint64_t seed : {1u, 2u, 3u, 4u}) {
    Shapes shapes(seed);
    Model model;
    std::vector<AddedRule> rules;
    std::vector<std::string> domains;
    for (unsigned i = 0; i < 6'000; ++i) {
      const std::string domain = shapes.name(shapes.labels());
      const auto reach = static_cast<Rule::Reach>(shapes.below(3));
      model[domain].insert(reach);
      domains.push_back(domain);
      rules.push_back({0, rule_at(domain, RuleAction::block, reach)});
    }
    const BuiltTable built = build(rules, 1, seed);
    unsigned wrong = 0, hits = 0;
    for (unsigned i = 0; i < rounds; ++i) {
      std::string asked = shapes.name(shapes.labels());
      if (i % 2) {  // near a rule: itself, above it or below it
        asked = domains[shapes.below(domains.size())];
        if (shapes.below(3) == 0 && !parent_of(asked).empty()) asked = parent_of(asked);
        for (std::uint64_t more = shapes.below(3); more > 0 && asked.size() < 180; --more)
          asked = shapes.label() + '.' + asked;
      }
      const auto expected = reaching(model, asked);
      hits += !expected.empty();
      wrong += found_by(*built.table, asked) != expected;
    }
    CHECK(wrong == 0);
    CHECK(hits > rounds / 4);
  }
}

TEST_CASE("a name of 127 labels is found, and all that are above it") {
  std::string longest = "a";
  for (unsigned i = 1; i < Name::max_labels; ++i) longest = "a." + longest;
  for (const unsigned labels : {1u, 2u, 3u, 63u, 64u, 65u, 126u, 127u}) {
    const std::string domain = longest.substr(longest.size() - (2 * labels - 1));
    const BuiltTable built = build({{0, rule_at(domain)}});
    CHECK(found_by(*built.table, longest) == std::vector<unsigned>{labels});
    CHECK(found_by(*built.table, domain) == std::vector<unsigned>{labels});
    if (labels > 1) CHECK(found_by(*built.table, parent_of(domain)).empty());
  }
}

TEST_CASE("a rule costs at most 16 octets, whatever its domain looks like") {
  constexpr std::uint64_t rules = 20'000, most = 16 * rules + 4'096;
  const auto bytes = [](auto name_of) {
    std::vector<AddedRule> all;
    for (std::uint64_t i = 0; i < rules; ++i) all.push_back({0, rule_at(name_of(i))});
    return bytes_of(all);
  };
  const auto number = [](std::uint64_t i) { return std::to_string(i); };
  CHECK(bytes([&](auto i) { return "n" + number(i); }) < most);
  CHECK(bytes([&](auto i) { return "n" + number(i) + ".test"; }) < most);
  CHECK(bytes([&](auto i) { return "a.b" + number(i) + ".test"; }) < most);
  CHECK(bytes([&](auto i) { return "a.b" + number(i) + ".c" + number(i) + ".test"; }) < most);
  std::string deep;
  for (int i = 0; i < 60; ++i) deep += ".x";
  CHECK(bytes([&](auto i) { return "n" + number(i) + deep + number(i); }) < most);
}

TEST_CASE("the filter knows what was added, and little else") {
  for (const std::uint64_t count : {1u, 10u, 1'000u, 100'000u}) {
    const NameKey key{{0x243f6a8885a308d3, 0x13198a2e03707345, 0xa4093822299f31d1,
                       0x082efa98ec4e6c89}};
    RuleFilterBuilder builder;
    const auto domain = [](std::uint64_t i) { return "a" + std::to_string(i) + ".test"; };
    for (std::uint64_t i = 0; i < count; ++i) {
      const Name each = name("b." + domain(i));
      builder.add({key, each});
    }
    const auto words = builder.finish();
    const auto knows = [&](const DomainHash& hash, std::uint64_t bits) {
      return (words[rule_filter::word_of(hash, words.size())] & bits) == bits;
    };
    std::uint64_t missed = 0, strange = 0;
    for (std::uint64_t i = 0; i < 2 * count; ++i) {
      const Name each = name("b." + domain(i));
      const NamePath path(key, each);
      const bool knows_top = knows(path[2], rule_filter::bits_at_or_below(path[2]));
      const bool knows_it = knows(path.whole(), rule_filter::bits_at(path.whole()));
      (i < count ? missed : strange) += i < count ? !knows_top + !knows_it : knows_top + knows_it;
    }
    CHECK(missed == 0);
    CHECK(strange <= count / 5);
    CHECK(words.size() * 64 <= std::max<std::uint64_t>(64, 24 * count));
  }
}
