// The names and addresses that come with the program: safe search, known resolvers.
#include <string>

#include "dns/filter.hpp"
#include "dns/safe_search_table.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::dns;

namespace {

Name name(const std::string& text) {
  return *Name::parse(text);
}

std::string target(const std::string& text) {
  const Name* const found = safe_search_target(name(text));
  return found ? found->to_string() : "";
}

bool is_known(const std::string& text) {
  if (const auto address = base::IpAddress::parse(text)) return is_known_resolver(*address);
  return is_known_resolver(name(text));
}

}  // namespace

TEST_CASE("a search engine's names lead to those of its safe search") {
  for (const char* const google : {"google.com", "www.google.com", "www.google.de",
                                   "WWW.Google.co.uk", "google.com.au", "www.google.cat"})
    CHECK(target(google) == "forcesafesearch.google.com");
  CHECK(target("www.bing.com") == "strict.bing.com");
  CHECK(target("duckduckgo.com") == "safe.duckduckgo.com");
  CHECK(target("www.youtube.com") == "restrict.youtube.com");
  CHECK(target("m.youtube.com") == "restrict.youtube.com");
  CHECK(target("yandex.ru") == "familysearch.yandex.ru");
  CHECK(target("www.yandex.com.tr") == "familysearch.yandex.ru");
  CHECK(target("yandex.eu") == "familysearch.yandex.ru");
  CHECK(target("pixabay.com") == "safesearch.pixabay.com");
  CHECK(target("www.ecosia.org") == "strict-safe-search.ecosia.org");
  CHECK(target("search.brave.com") == "forcesafe.search.brave.com");
  CHECK(target("api.qwant.com") == "safeapi.qwant.com");
}

TEST_CASE("other names have no safe search, nor do its own, so that it cannot loop") {
  for (const char* const other :
       {"mail.google.com", "forcesafesearch.google.com", "strict.bing.com", "safe.duckduckgo.com",
        "restrict.youtube.com", "familysearch.yandex.ru", "safesearch.pixabay.com",
        "google.com.evil.example", "notgoogle.com", "google.example", "com", "."})
    CHECK(target(other).empty());
}

TEST_CASE("public encrypted resolvers are known by address") {
  for (const char* const known : {"8.8.8.8",
                                  "8.8.4.4",
                                  "1.1.1.1",
                                  "1.0.0.3",
                                  "162.159.61.4",
                                  "9.9.9.9",
                                  "149.112.112.112",
                                  "94.140.14.14",
                                  "45.90.28.123",
                                  "208.67.222.222",
                                  "185.228.168.168",
                                  "76.76.2.22",
                                  "194.242.2.2",
                                  "223.5.5.5",
                                  "77.88.8.8",
                                  "2001:4860:4860::8888",
                                  "2606:4700:4700::1113",
                                  "2620:fe::fe",
                                  "2a07:a8c0::ab:cdef",
                                  "2606:1a40::1",
                                  "2a10:50c0::ad1:ff",
                                  "194.169.169.169",
                                  "62.192.153.243"})
    CHECK(is_known(known));
  for (const char* const other : {"8.8.8.9", "1.1.1.4", "192.0.2.1", "45.90.29.1", "10.0.0.1",
                                  "2001:db8::1", "::", "0.0.0.0", "2606:4700:4700::1114"})
    CHECK_FALSE(is_known(other));
  CHECK_FALSE(is_known_resolver(base::IpAddress()));
}

TEST_CASE("public encrypted resolvers are known by name, with what is below") {
  for (const char* const known : {"dns.google",
                                  "cloudflare-dns.com",
                                  "mozilla.cloudflare-dns.com",
                                  "chrome.cloudflare-dns.com",
                                  "family.cloudflare-dns.com",
                                  "one.one.one.one",
                                  "dns.quad9.net",
                                  "dns11.quad9.net",
                                  "abc123.dns.nextdns.io",
                                  "phone-abc123.dns.nextdns.io",
                                  "doh.opendns.com",
                                  "doh.familyshield.opendns.com",
                                  "Doh.Dns.Apple.com",
                                  "doh.dns.apple.com.v.aaplimg.com",
                                  "dns.mullvad.net",
                                  "x.d.adguard-dns.com",
                                  "a.b.c.d.e.f.g.h.dns.google",
                                  "p2.freedns.controld.com",
                                  "dns.digitale-gesellschaft.ch",
                                  "zero.dns0.eu",
                                  "common.dot.dns.yandex.net",
                                  "ams01.dnscry.pt",
                                  "dns.comss.one",
                                  "doh.cox.net",
                                  "ns.nwps.fi",
                                  "dns.seia.io"})
    CHECK(is_known(known));
  for (const char* const other :
       {"google.com", "www.quad9.net", "nextdns.io", "my.nextdns.io", "apple.com", "dns.example",
        "one.one", "google", ".", "net", "cloudflare.com", "dns.google.example", "xdns.google",
        "hagezi.org", "comss.one", "cox.net", "nic.cl"})
    CHECK_FALSE(is_known(other));
  std::string text = "dns.google";
  while (text.size() + 2 < 250) text = "a." + text;
  CHECK(is_known(text));
}
