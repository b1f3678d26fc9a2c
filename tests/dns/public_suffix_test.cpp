// Public suffixes by the system's file and by libpsl.
#include <libpsl.h>

#include <string>

#include "dns/public_suffix.hpp"
#include "dns/public_suffix_file.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::dns;

namespace {
Name name(const std::string& text) {
  return *Name::parse(text);
}
}  // namespace

TEST_CASE("a public suffix file has rules, wildcards and exceptions") {
  const PublicSuffixFile file(
      "// a comment\n\ncom\nco.uk // trailing\n*.ck\n!www.ck\n\xc3\xa4.example\n*.x.y.example\r\n");
  for (const char* const suffix :
       {"com", "co.uk", "ck", "any.ck", "x.y.example", "a.x.y.example"}) {
    CAPTURE(suffix);
    CHECK(file.contains(name(suffix)));
  }
  for (const char* const other :
       {"uk", "a.co.uk", "www.ck", "a.any.ck", "y.example", "example", "comment", "."}) {
    CAPTURE(other);
    CHECK_FALSE(file.contains(name(other)));
  }
}

TEST_CASE("the private section of a public suffix file is not read") {
  const PublicSuffixFile file(
      "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n"
      "// ===BEGIN PRIVATE DOMAINS===\nblog.example\n*.host.example\n");
  CHECK(file.contains(name("com")));
  CHECK_FALSE(file.contains(name("blog.example")));
  CHECK_FALSE(file.contains(name("a.host.example")));
}

TEST_CASE("top-level domains and public suffixes are known, private names of networks are none") {
  const PublicSuffixes suffixes;
  for (const char* const suffix : {".", "com", "zip", "uk", "co.uk", "foo.ck", "xn--p1ai",
                                   "xn--55qx5d.cn", "notatld", "kawasaki.jp"}) {
    CAPTURE(suffix);
    CHECK(suffixes.contains(name(suffix)));
  }
  for (const char* const other : {"example.com", "lan", "internal", "local", "a.co.uk", "www.ck",
                                  "city.kawasaki.jp", "doubleclick.net", "a\\.b.com", "github.io",
                                  "s3.amazonaws.com", "x.compute-1.amazonaws.com"}) {
    CAPTURE(other);
    CHECK_FALSE(suffixes.contains(name(other)));
  }
  CHECK(PublicSuffixes::is_below_known_tld(name("a.b.com")));
  CHECK_FALSE(PublicSuffixes::is_below_known_tld(name("a.b.notatld")));
  CHECK_FALSE(PublicSuffixes::is_below_known_tld(name("com")));
}

TEST_CASE("the system's file says what libpsl says") {
  const PublicSuffixFile* const file = PublicSuffixFile::system();
  if (file == nullptr || psl_check_version_number(0) == 0) return;
  unsigned differ = 0, suffixes = 0, asked = 0;
  for (const char* const tld : {"com", "uk", "jp", "ck", "io", "no", "de", "br", "amazonaws.com",
                                "kawasaki.jp", "co.jp", "hokkaido.jp", "bd", "app", "dev"})
    for (const char* const label :
         {"co",      "com",   "net",    "org", "ac", "gov",       "edu",
          "www",     "city",  "github", "s3",  "x",  "blogspot",  "oslo",
          "netlify", "pages", "web",    "gen", "ne", "asahikawa", "example"}) {
      const std::string text = std::string(label) + '.' + tld;
      const bool by_psl = psl_is_public_suffix2(psl_builtin(), text.c_str(),
                                                PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE) != 0;
      ++asked;
      if (by_psl) ++suffixes;
      if (by_psl != file->contains(name(text))) ++differ;
    }
  CHECK(suffixes > 50);
  CHECK(suffixes < asked);
  CHECK(differ <= asked / 100);  // the two may be of different days
}
