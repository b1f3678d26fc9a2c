// Complex rules, patterns and addresses through the file of a table and back.
#include <algorithm>

#include "dns/complex_rule.hpp"
#include "dns/pattern_set.hpp"
#include "dns/rule_compiler.hpp"
#include "dns/rule_file.hpp"
#include "tests/dns/rule_table_support.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::dns;
using namespace culvert::dns::test;

namespace {

using Found = std::array<RuleTable::Match, RuleTable::max_matches>;

Rule everything_at(const std::string& domain) {
  Rule rule = rule_at(domain, RuleAction::rewrite, Rule::Reach::below, true);
  rule.types = {1, 28};
  rule.not_types = {65};
  rule.clients = {"laptop", "10.0.0.0/8"};
  rule.not_clients = {"phone", ""};
  rule.tags = {"device_pc"};
  rule.not_tags = {"user_child"};
  rule.deny_allow = {name("good.test"), Name()};
  rule.addresses = {*base::IpAddress::parse("1.2.3.4"), *base::IpAddress::parse("2001:db8::1")};
  rule.cname = name("walled.garden.test");
  rule.records = {"MX 10 mail.test"};
  rule.upstream = "9.9.9.9";
  return rule;
}

bool same(const Rule& a, const Rule& b) {
  return a.action == b.action && a.important == b.important && a.reach == b.reach &&
         a.domain == b.domain && a.pattern == b.pattern && a.types == b.types &&
         a.not_types == b.not_types && a.clients == b.clients && a.not_clients == b.not_clients &&
         a.tags == b.tags && a.not_tags == b.not_tags && a.deny_allow == b.deny_allow &&
         a.addresses == b.addresses && a.cname == b.cname && a.records == b.records &&
         a.upstream == b.upstream;
}

std::vector<std::string> patterns_of(const RuleTable& table, const std::string& text) {
  std::vector<std::uint32_t> indices;
  table.find_patterns(name(text), indices);
  std::vector<std::string> out;
  for (const std::uint32_t index : indices) out.push_back(table.complex(index).rule.pattern);
  std::sort(out.begin(), out.end());
  return out;
}

Rule pattern_rule(const std::string& pattern) {
  Rule rule = rule_at(".");
  rule.pattern = pattern;
  return rule;
}

Rule address_rule(const std::vector<std::string>& prefixes, RuleAction action = RuleAction::block) {
  Rule rule;
  rule.action = action;
  for (const std::string& prefix : prefixes)
    rule.answer_prefixes.push_back(*base::Prefix::parse(prefix));
  return rule;
}

}  // namespace

TEST_CASE("a complex rule comes back as it was given, at its domain and with its list") {
  const Rule rule = everything_at("a.test");
  Rule plain = rule_at("a.test", RuleAction::rewrite, Rule::Reach::exact);
  plain.cname = name("b.test");
  const BuiltTable built = build({{2, rule}, {1, plain}, {0, rule_at("a.test")}, {2, rule}});
  Found found;
  REQUIRE(built.table->find(name("x.a.test"), found) == 1);
  REQUIRE(found[0].complex.size() == 1);
  const auto& below = built.table->complex(found[0].complex[0]);
  CHECK(below.list == 2);
  CHECK(same(below.rule, rule));
  CHECK(found[0].said->block.to_ulong() == 1);
  REQUIRE(built.table->find(name("a.test"), found) == 1);
  REQUIRE(found[0].complex.size() == 1);
  const auto& at = built.table->complex(found[0].complex[0]);
  CHECK(at.list == 1);
  CHECK(same(at.rule, plain));
  CHECK(built.table->rules() == 3);
}

TEST_CASE("complex rules alone say nothing simple, and those of the root reach all names") {
  Rule root = rule_at(".", RuleAction::block);
  root.types = {28};
  const BuiltTable built = build({{0, root}, {1, everything_at("a.test")}});
  Found found;
  REQUIRE(built.table->find(name("x.a.test"), found) == 2);
  CHECK(found[0].labels == 2);
  CHECK(found[0].said == nullptr);
  CHECK(found[1].labels == 0);
  REQUIRE(found[1].complex.size() == 1);
  CHECK(built.table->complex(found[1].complex[0]).rule.types == std::vector<std::uint16_t>{28});
  CHECK(built.table->find(name("other"), found) == 1);
}

TEST_CASE("a badfilter rule takes away a complex rule that says the same") {
  Rule other = everything_at("a.test");
  other.types = {1};
  const BuiltTable built =
      build({{0, everything_at("a.test")}, {0, other}, {0, everything_at("a.test"), true}});
  Found found;
  REQUIRE(built.table->find(name("x.a.test"), found) == 1);
  REQUIRE(found[0].complex.size() == 1);
  CHECK(same(built.table->complex(found[0].complex[0]).rule, other));
  CHECK(built.built.switched_off[0] == 1);
}

TEST_CASE("a table of a hundred thousand complex rules, each at its domain") {
  std::vector<AddedRule> rules;
  Rule rule;
  rule.types = {1};
  for (std::size_t i = 0; i < max_complex_rules + 5; ++i) {
    rule.domain = name("d" + std::to_string(i) + ".test");
    rules.push_back({0, rule});
  }
  const BuiltTable built = build(rules);
  CHECK(built.table->rules() == max_complex_rules);
  Found found;
  std::size_t right = 0;
  for (std::size_t i = 0; i < max_complex_rules; i += 11) {
    const Name wanted = name("d" + std::to_string(i) + ".test");
    right += built.table->find(wanted, found) == 1 && found[0].complex.size() == 1 &&
             built.table->complex(found[0].complex[0]).rule.domain == wanted;
  }
  CHECK(right == (max_complex_rules + 10) / 11);
}

TEST_CASE("octets that are cut off or changed are no complex rule, or another one") {
  std::vector<std::byte> octets;
  encode(3, everything_at("a.test"), octets);
  const base::Bytes all(octets);
  REQUIRE(decode(all));
  for (std::size_t size = 0; size < octets.size(); ++size) CHECK_FALSE(decode(all.first(size)));
  octets.push_back(std::byte{0});
  CHECK_FALSE(decode(octets));
  octets.pop_back();
  for (std::byte& each : octets) {
    const std::byte before = each;
    for (const unsigned value : {0x00u, 0x7fu, 0xffu}) {
      each = std::byte(value);
      if (const auto read = decode(octets)) {
        std::vector<std::byte> again;
        encode(read->list, read->rule, again);
        CHECK(decode(again));
      }
    }
    each = before;
  }
}

TEST_CASE("patterns are searched in the whole name") {
  const BuiltTable built = build(
      {{0, pattern_rule("^ad[0-9]+\\.")}, {0, pattern_rule("track")}, {1, pattern_rule("track$")}});
  CHECK(built.table->has_patterns());
  CHECK(patterns_of(*built.table, "ad12.example.com") == std::vector<std::string>{"^ad[0-9]+\\."});
  CHECK(patterns_of(*built.table, "x.ad12.example.com").empty());
  CHECK(patterns_of(*built.table, "a.track") == std::vector<std::string>{"track", "track$"});
  CHECK(patterns_of(*built.table, "a.tracker.test") == std::vector<std::string>{"track"});
  CHECK(built.table->rules() == 3);
}

TEST_CASE("a pattern with an anchor holds there only") {
  Rule rule = pattern_rule("ads");
  rule.domain = name("example.com");
  Rule below = rule;
  below.pattern = "a";
  below.reach = Rule::Reach::below;
  const BuiltTable built = build({{0, rule}, {0, below}});
  CHECK(patterns_of(*built.table, "ads.example.com") == std::vector<std::string>{"a", "ads"});
  CHECK(patterns_of(*built.table, "ads.example.org").empty());
  CHECK(patterns_of(*built.table, "example.com").empty());
}

TEST_CASE("patterns of many groups are all found") {
  std::vector<AddedRule> rules;
  for (int i = 0; i < 60; ++i)
    rules.push_back({0, pattern_rule("^p" + std::to_string(i) + "x[a-z]{500}(ab|cd){40}")});
  for (int i = 0; i < 3000; ++i)
    rules.push_back({0, pattern_rule("^word" + std::to_string(i) + "[a-z]*\\.")});
  const BuiltTable built = build(rules);
  CHECK(built.table->rules() == rules.size());
  for (int i = 0; i < 3000; i += 99)
    CHECK(patterns_of(*built.table, "word" + std::to_string(i) + ".test") ==
          std::vector<std::string>{"^word" + std::to_string(i) + "[a-z]*\\."});
}

TEST_CASE("a pattern that is none is told from too many") {
  SeededRandom random(1);
  RuleBuilder builder({"a"}, random);
  CHECK(builder.add(0, pattern_rule("(a"), false) == RuleBuilder::Added::bad_pattern);
  CHECK(builder.add(0, pattern_rule("((a{100}){100}){10}"), false) ==
        RuleBuilder::Added::bad_pattern);
  std::size_t added = 0;
  for (std::size_t i = 0; i < max_patterns + 10; ++i)
    added +=
        builder.add(0, pattern_rule("a" + std::to_string(i)), false) == RuleBuilder::Added::yes;
  CHECK(added == max_patterns);
}

TEST_CASE("an address belongs to all prefixes that hold it, of every list") {
  const BuiltTable built =
      build({{0, address_rule({"10.0.0.0/8", "192.0.2.1", "0.0.0.0/0"})},
             {1, address_rule({"10.1.0.0/16", "2001:db8::/32"})},
             {2, address_rule({"10.1.2.3/32", "10.1.0.0/16"}, RuleAction::allow)},
             {3, address_rule({"ffff::/16", "255.255.255.255"})}});
  const auto said = [&](const std::string& text) {
    const auto* found = built.table->find_address(*base::IpAddress::parse(text));
    return found ? std::pair(found->block.to_ulong(), found->allow.to_ulong())
                 : std::pair(0ul, 0ul);
  };
  using Pair = std::pair<unsigned long, unsigned long>;
  CHECK(built.table->has_addresses());
  CHECK(said("10.1.2.3") == Pair(3, 4));
  CHECK(said("10.1.2.4") == Pair(3, 4));
  CHECK(said("10.2.0.0") == Pair(1, 0));
  CHECK(said("10.0.255.255") == Pair(1, 0));
  CHECK(said("0.0.0.0") == Pair(1, 0));
  CHECK(said("255.255.255.255") == Pair(9, 0));
  CHECK(said("2001:db8::1") == Pair(2, 0));
  CHECK(said("2001:db9::") == Pair(0, 0));
  CHECK(said("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff") == Pair(8, 0));
  CHECK(said("::") == Pair(0, 0));
  CHECK(built.table->rules() == 9);
}

TEST_CASE("of one list the longest prefix says what becomes of an address") {
  Rule garden = address_rule({"10.1.2.0/24"}, RuleAction::rewrite);
  garden.addresses = {*base::IpAddress::parse("192.0.2.9")};
  const BuiltTable built =
      build({{0, address_rule({"10.0.0.0/8", "2001:db8::/32"}, RuleAction::nxdomain)},
             {0, address_rule({"10.1.0.0/16"}, RuleAction::allow)},
             {0, garden},
             {0, address_rule({"10.1.2.3"}, RuleAction::drop)},
             {1, address_rule({"10.1.2.3"}, RuleAction::tcp_only)}});
  const auto said = [&](const char* text) {
    return *built.table->find_address(*base::IpAddress::parse(text));
  };
  CHECK(said("10.9.9.9").action_of(0) == RuleAction::nxdomain);
  CHECK(said("2001:db8::1").action_of(0) == RuleAction::nxdomain);
  CHECK(said("10.1.9.9").block.none());
  CHECK(said("10.1.9.9").allow[0]);
  CHECK(said("10.1.2.4").action_of(0) == RuleAction::rewrite);
  CHECK_FALSE(said("10.1.2.4").allow[0]);
  CHECK(said("10.1.2.3").action_of(0) == RuleAction::drop);
  CHECK(said("10.1.2.3").action_of(1) == RuleAction::tcp_only);
  const auto rewrite = [&](std::uint16_t list, const char* text) {
    return built.table->find_address_rewrite(list, *base::IpAddress::parse(text));
  };
  REQUIRE(rewrite(0, "10.1.2.4") != nullptr);
  CHECK(rewrite(0, "10.1.2.4")->addresses == garden.addresses);
  CHECK(rewrite(1, "10.1.2.4") == nullptr);
  CHECK(rewrite(0, "10.1.3.4") == nullptr);
  CHECK(built.table->rules() == 6);
}

TEST_CASE("how a plain rule blocks costs no complex rule, however many there are") {
  std::vector<AddedRule> rules;
  Rule rule = rule_at("a.test", RuleAction::nxdomain, Rule::Reach::exact);
  for (std::size_t i = 0; i < max_complex_rules + 10; ++i) {
    rule.domain = name("d" + std::to_string(i) + ".test");
    rules.push_back({0, rule});
  }
  rules.push_back({1, rule_at("d7.test", RuleAction::refused)});
  rules.push_back({2, rule_at("d7.test", RuleAction::block)});
  const BuiltTable built = build(rules);
  CHECK(built.table->rules() == rules.size());
  Found found;
  REQUIRE(built.table->find(name("d7.test"), found) == 1);
  CHECK(found[0].said->action_of(0) == RuleAction::nxdomain);
  CHECK(found[0].said->action_of(1) == RuleAction::refused);
  CHECK(found[0].said->action_of(2) == RuleAction::block);
  REQUIRE(built.table->find(name("d" + std::to_string(max_complex_rules + 5) + ".test"), found) ==
          1);
}

TEST_CASE("address ranges say what a look at every prefix says") {
  std::mt19937_64 random(5);
  std::vector<AddedRule> rules;
  std::vector<std::pair<std::uint16_t, base::Prefix>> prefixes;
  for (int i = 0; i < 3000; ++i) {
    const auto list = static_cast<std::uint16_t>(random() % 4);
    const bool is_v4 = random() % 2 != 0;
    std::array<std::byte, 16> octets{};
    for (std::size_t at = 0; at < 4; ++at) octets[at] = std::byte(random() % 3);
    const base::IpAddress address =
        is_v4 ? base::IpAddress::v4(std::span(octets).first<4>()) : base::IpAddress::v6(octets);
    const base::Prefix prefix(address, unsigned(8 + random() % (is_v4 ? 25 : 40)));
    Rule rule;
    rule.answer_prefixes = {prefix};
    rules.push_back({list, rule});
    prefixes.emplace_back(list, prefix);
  }
  const BuiltTable built = build(rules);
  std::size_t wrong = 0;
  for (int i = 0; i < 3000; ++i) {
    std::array<std::byte, 16> octets{};
    for (std::size_t at = 0; at < 5; ++at) octets[at] = std::byte(random() % 4);
    const base::IpAddress address =
        i % 2 ? base::IpAddress::v4(std::span(octets).first<4>()) : base::IpAddress::v6(octets);
    ListMask expected;
    for (const auto& [list, prefix] : prefixes)
      if (prefix.contains(address)) expected.set(list);
    const auto* found = built.table->find_address(address);
    wrong += (found ? found->block : ListMask()) != expected;
  }
  CHECK(wrong == 0);
}

TEST_CASE("rules that a table has no room for are counted, with the line of the first") {
  std::string text = "! conditions cost room\n";
  for (std::size_t i = 0; i < max_complex_rules + 7; ++i)
    text += "||d" + std::to_string(i) + ".example^$dnstype=A\n";
  const base::FileDescriptor in = memory_file(), out = memory_file();
  REQUIRE(::write(in.get(), text.data(), text.size()) == ssize_t(text.size()));
  ListSource source;
  source.settings.name = "large";
  source.file = "/proc/self/fd/" + std::to_string(in.get());
  SeededRandom random(1);
  const auto report = compile_rules({source}, out.get(), random);
  REQUIRE(report);
  const ListReport& list = report->lists[0].report;
  CHECK(report->lists[0].error.empty());
  CHECK(list.rules == max_complex_rules);
  CHECK(list.faults[std::size_t(LineFault::no_room)] == 7);
  CHECK(list.first[std::size_t(LineFault::no_room)] == max_complex_rules + 2);
}
