#include "dns/name.hpp"

#include "dns/name_text.hpp"
#include "tests/dns/messages.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::dns;
using test::name;
using test::operator+;
using test::octets;

namespace {

std::string rewritten(std::string_view text) {
  const auto parsed = Name::parse(text);
  return parsed ? parsed->to_string() : "none";
}

}  // namespace

TEST_CASE("names are read with or without the last dot, in lower case") {
  CHECK(rewritten("example.com") == "example.com");
  CHECK(rewritten("WWW.Example.COM.") == "www.example.com");
  CHECK(rewritten(".") == ".");
  CHECK(rewritten("[@Z`{") == "[\\@z`{");  // only letters have a case
  CHECK(test::hex(name("Az.09-_").wire()) == test::hex(octets("02 'az 04 '09-_ 00")));
}

TEST_CASE("escapes stand for octets, and are written as they are read") {
  CHECK(rewritten("a\\.b.c") == "a\\.b.c");
  CHECK(rewritten("a\\032b") == "a\\032b");
  CHECK(rewritten("\\000\\255") == "\\000\\255");
  CHECK(rewritten("\\065b") == "ab");
  CHECK(rewritten("a\\\\b\\\"\\(\\)\\;\\@\\$") == "a\\\\b\\\"\\(\\)\\;\\@\\$");
}

TEST_CASE("what is meant as a domain is told from a pattern, a URL and an address") {
  for (const char* const text :
       {"example.com", "Example.COM.", "lan", "_dns.resolver.arpa", "xn--bcher-kva.de",
        "-a.example", "1.example", "0/25.2.0.192.in-addr.arpa"})
    CHECK(looks_like_domain(text));
  for (const char* const text :
       {"", ".", "*.example.com", "*", "||example.com^", "https://example.com", "example.com/ads",
        "192.0.2.1", "2001:db8::1", "a..b", "a b.c", "a\\.b", "b\xc3\xbc.de"})
    CHECK_FALSE(looks_like_domain(text));
}

TEST_CASE("what is no name is refused") {
  for (const char* const text : {"", "..", ".a", "a..b", "a.b..", "a b", "a\tb", "a\\", "a\\25",
                                 "a\\256", "a\\2x5", "\xc3\xa4.de", "a\x7f", "a\nb"})
    CHECK(rewritten(text) == "none");
}

TEST_CASE("labels have at most 63 octets and names 255") {
  const std::string label(63, 'a');
  CHECK(rewritten(label) == label);
  CHECK(rewritten(label + "a") == "none");
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'b');
  CHECK(name(longest).size() == 255);
  CHECK(rewritten(longest) == longest);
  CHECK(rewritten(longest + ".") == longest);
  CHECK(rewritten(longest + "b") == "none");
  CHECK(rewritten(longest + ".c") == "none");
  std::string most_labels = "a";
  for (int i = 1; i < 127; ++i) most_labels += ".a";
  CHECK(name(most_labels).labels() == 127);
  CHECK(rewritten(most_labels + ".a") == "none");
}

TEST_CASE("wire form has to be exactly one uncompressed name") {
  CHECK(Name::from_wire(octets("01 'A 00"))->to_string() == "a");
  CHECK(Name::from_wire(octets("00"))->is_root());
  for (const char* const wrong :
       {"", "01", "01 'a", "01 'a 00 00", "c000", "40 'a 00", "80 00", "02 'a 00"})
    CHECK_FALSE(Name::from_wire(octets(wrong)));
  test::Octets longest;
  for (int i = 0; i < 127; ++i) longest = longest + octets("01 'a");
  CHECK(Name::from_wire(longest + octets("00")));
  CHECK_FALSE(Name::from_wire(longest + octets("01 'a 00")));
}

TEST_CASE("a name is read from the front of other octets") {
  Name out;
  CHECK(Name::read(octets("03 'WWW 00 ffff"), out) == 5);
  CHECK(out == name("www"));
  CHECK(Name::read(octets("03 'WW"), out) == 0);
  CHECK(Name::read({}, out) == 0);
}

TEST_CASE("letters of every place in a long name are lower-cased, other octets are not") {
  for (unsigned c = 0; c < 256; ++c) {
    const std::vector<std::byte> label(23, std::byte(c));
    Name made;
    REQUIRE(made.append(label));
    const unsigned expected = c >= 'A' && c <= 'Z' ? c + 32 : c;
    for (std::size_t i = 1; i <= 23; ++i)
      REQUIRE(std::to_integer<unsigned>(made.wire()[i]) == expected);
  }
}

TEST_CASE("labels are appended while they fit") {
  Name made;
  CHECK_FALSE(made.append({}));
  CHECK_FALSE(made.append(std::vector<std::byte>(64, std::byte('x'))));
  for (int i = 0; i < 3; ++i) CHECK(made.append(std::vector<std::byte>(63, std::byte('x'))));
  CHECK_FALSE(made.append(std::vector<std::byte>(62, std::byte('x'))));
  CHECK(made.size() == 193);
  CHECK(made.append(std::vector<std::byte>(61, std::byte('x'))));
  CHECK(made.size() == 255);
  CHECK_FALSE(made.append_labels(octets("01 'a")));
}

TEST_CASE("a name is within a domain at the border of a label only") {
  CHECK(name("www.example.com").is_within(name("example.com")));
  CHECK(name("example.com").is_within(name("example.com")));
  CHECK(name("example.com").is_within(Name()));
  CHECK_FALSE(name("badexample.com").is_within(name("example.com")));
  CHECK_FALSE(name("com").is_within(name("example.com")));
  // The same octets, but of another label: 07 is a length here and a letter's place there.
  CHECK_FALSE(name("x\\003com").is_within(name("com")));
}

TEST_CASE("parents lead to the root") {
  CHECK(name("a.b.c").parent() == name("b.c"));
  CHECK(name("c").parent().is_root());
  CHECK(Name().parent().is_root());
  CHECK(Name().labels() == 0);
}

TEST_CASE("equal names have equal hashes") {
  CHECK(NameHash()(name("Example.com")) == NameHash()(name("example.COM")));
  CHECK(NameHash()(name("example.com")) != NameHash()(name("example.net")));
}

TEST_CASE("addresses have reverse names, and these lead back") {
  const auto reverse = [](const char* text) {
    return reverse_name(base::IpAddress::parse(text)->bytes()).to_string();
  };
  CHECK(reverse("192.0.2.10") == "10.2.0.192.in-addr.arpa");
  CHECK(reverse("2001:db8::12") ==
        "2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
  std::array<std::byte, 16> address;
  for (const char* const text : {"0.0.0.0", "255.254.3.29", "::", "2001:db8:ffff::abcd"}) {
    const auto parsed = *base::IpAddress::parse(text);
    const std::size_t size = parse_reverse(reverse_name(parsed.bytes()), address);
    CHECK(test::hex(base::Bytes(address).first(size)) == test::hex(parsed.bytes()));
  }
}

TEST_CASE("what is no whole reverse name stands for no address") {
  std::array<std::byte, 16> address;
  for (const char* const text :
       {".", "in-addr.arpa", "ip6.arpa", "2.0.192.in-addr.arpa", "1.10.2.0.192.in-addr.arpa",
        "256.2.0.192.in-addr.arpa", "01.2.0.192.in-addr.arpa", "x.2.0.192.in-addr.arpa",
        "1000.2.0.192.in-addr.arpa", "10.2.0.192.in-addr.arpa.com", "10.2.0.192.xin-addr.arpa",
        "10.2.0.192", "1.ip6.arpa",
        "g.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
        "21.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
        "1.2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"})
    CHECK(parse_reverse(name(text), address) == 0);
}
