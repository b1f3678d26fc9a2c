// The hashes of the domains that a name lies in.
#include "dns/name_path.hpp"

#include <set>
#include <string>

#include "dns/name_screen.hpp"
#include "dns/name_set.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::dns;

namespace {

constexpr NameKey key{{0x243f6a8885a308d3, 0x13198a2e03707345, 0xa4093822299f31d1,
                       0x082efa98ec4e6c89}},
    other_key{{0x243f6a8885a308d3, 0x13198a2e03707345, 0xa4093822299f31d1, 0x452821e638d01377}};

Name name(const std::string& text) {
  return Name::parse(text).value();
}

std::uint64_t hash(const std::string& text) {
  const Name parsed = name(text);
  return NamePath(key, parsed).whole().place;
}

bool same(const DomainHash& a, const DomainHash& b) {
  return a.place == b.place && a.print == b.print;
}

}  // namespace

TEST_CASE("a domain has one hash, whatever lies below it") {
  for (const std::string domain : {"test", "b.test", "a-label-of-more-than-16-octets.b.test"}) {
    const Name alone = name(domain), below = name("x.y." + domain);
    const NamePath path(key, alone), longer(key, below);
    REQUIRE(longer.labels() == path.labels() + 2);
    for (unsigned labels = 0; labels <= path.labels(); ++labels) {
      CHECK(same(path[labels], longer[labels]));
      const base::Bytes a = path.domain(labels), b = longer.domain(labels);
      CHECK(std::equal(a.begin(), a.end(), b.begin(), b.end()));
    }
    CHECK_FALSE(same(path.whole(), NamePath(other_key, alone).whole()));
  }
}

TEST_CASE("labels of every length and each of their octets count") {
  std::set<std::uint64_t> seen;
  std::size_t names = 0;
  for (std::size_t length = 1; length <= Name::max_label; ++length) {
    const std::string label(length, 'a');
    ++names, seen.insert(hash(label + ".test"));
    for (std::size_t at = 0; at < length; ++at) {
      std::string changed = label;
      changed[at] = 'b';
      ++names, seen.insert(hash(changed + ".test"));
    }
  }
  for (const char* text : {"ab.c", "a.bc", "abc", "a.b.c", "c.ab", "."})
    ++names, seen.insert(hash(text));
  CHECK(seen.size() == names);
}

TEST_CASE("what a longer name left behind in the same place does not count") {
  const std::string label(63, 'q');
  const std::string longest = label + '.' + label + '.' + label + '.' + std::string(61, 'z');
  for (const std::string text : {"a.b", "short.test", "fifteen-octets0.test"}) {
    Name used = name(longest);
    REQUIRE(Name::read(name(text).wire(), used) != 0);
    CHECK(same(NamePath(key, used).whole(), NamePath(key, name(text)).whole()));
  }
  // Labels at the very end of the longest name.
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 26; ++i) {
    std::string text = longest;
    text.back() = char('a' + i);
    seen.insert(hash(text));
  }
  CHECK(seen.size() == 26);
}

TEST_CASE("a set of names answers by a path, under any key it is built with") {
  NameSet set;
  REQUIRE(set.add("example.com", NameSet::block));
  REQUIRE(set.add("=www.example.com", NameSet::allow));
  REQUIRE(set.add("example.com", NameSet::schedule0));
  REQUIRE(set.add("lan", NameSet::allow));
  CHECK_FALSE(set.add("..", NameSet::allow));
  for (const NameKey& each : {key, other_key, key}) {
    set.build(each);
    const auto find = [&](const std::string& text, NameSet::Bits wanted = ~NameSet::Bits(0)) {
      const Name asked = name(text);
      return set.find({each, asked}, wanted);
    };
    CHECK(find("example.com").bits == (NameSet::block | NameSet::schedule0));
    CHECK(find("www.example.com").bits == (NameSet::allow | NameSet::block | NameSet::schedule0));
    CHECK(find("www.example.com").allow_labels == 3);
    CHECK(find("www.example.com").block_labels == 2);
    CHECK(find("a.www.example.com", NameSet::block).bits == NameSet::block);
    CHECK(find("printer.lan").allow_labels == 1);
    CHECK(find("com").bits == 0);
    CHECK(find("example.org").bits == 0);
    CHECK(find(".").bits == 0);
  }
}

TEST_CASE("a screen holds what was added and what is below it") {
  NameScreen screen;
  for (const char* text : {"resolver.arpa", "mask.icloud.com"}) {
    const Name known = name(text);
    screen.add({key, known});
  }
  const auto may_hold = [&](const std::string& text) {
    const Name asked = name(text);
    return screen.may_hold({key, asked});
  };
  CHECK(may_hold("resolver.arpa"));
  CHECK(may_hold("_dns.resolver.arpa"));
  CHECK(may_hold("mask.icloud.com"));
  CHECK_FALSE(may_hold("com"));
  CHECK_FALSE(may_hold("."));
  unsigned strangers = 0;
  for (int i = 0; i < 1000; ++i) strangers += may_hold("n" + std::to_string(i) + ".test");
  CHECK(strangers < 10);
}
