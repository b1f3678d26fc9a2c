// [dns], its sections, and the DNS policy of groups and peers.
#include <algorithm>

#include "app/config.hpp"
#include "tests/app/command.hpp"

using namespace culvert::app;
namespace dns = culvert::dns;
using namespace std::chrono_literals;

namespace {

constexpr const char* private_key = "QGrqY9/5cI8gVFG4wQBu9fMbHjlRk3YjC8oF6oZpWVs=";
constexpr const char* key_a = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";

// `rest` starts at line 5.
Loaded load(const std::string& rest) {
  return load_config_text("[server]\nprivate_key = \"" + std::string(private_key) +
                              "\"\naddress = \"10.8.0.1/24\"\nstate_dir = \"s\"\n" + rest,
                          "/etc/culvert/f", {});
}

std::string all(const Loaded& loaded) {
  std::string text;
  for (const Finding& finding : loaded.findings) text += finding.to_string() + "\n";
  return text;
}

std::unique_ptr<Config> good(const std::string& rest) {
  Loaded loaded = load(rest);
  INFO(all(loaded));
  REQUIRE(loaded.config != nullptr);
  return std::move(loaded.config);
}

void refused(const std::string& rest, const std::string& finding) {
  const Loaded loaded = load(rest);
  INFO(rest << "\n" << all(loaded));
  CHECK(loaded.config == nullptr);
  CHECK(all(loaded).find(finding) != std::string::npos);
}

std::string record(const char* name, const char* type, const char* value) {
  return std::string("[[dns.record]]\nname = \"") + name + "\"\ntype = \"" + type +
         "\"\nvalue = \"" + value + "\"\n";
}

}  // namespace

TEST_CASE("without [dns] questions are intercepted and nothing is filtered") {
  const auto config = good("");
  CHECK(config->dns == dns::Settings{});
  REQUIRE(config->dns_policy != nullptr);
  CHECK_FALSE(config->dns_policy->filters());
}

TEST_CASE("a CNAME stands alone, and leads to an end") {
  good(record("a.lan", "CNAME", "b.lan") + record("b.lan", "A", "192.0.2.1") +
       record("b.lan", "AAAA", "2001:db8::1") + record("*.lan", "CNAME", "a.lan"));
  refused(record("b.lan", "A", "192.0.2.1") + record("B.lan", "cname", "c.lan"),
          "/etc/culvert/f:9: dns.record: B.lan is a CNAME and has other records");
  refused(record("a.lan", "CNAME", "b.lan") + record("b.lan", "CNAME", "a.lan"),
          "/etc/culvert/f:5: dns.record: the CNAME of a.lan leads in a circle");
  refused(record("*.lan", "CNAME", "www.lan"), "leads in a circle");
}

TEST_CASE("every key of [dns] is read") {
  const auto config = good(R"([dns]
intercept = false
pass = ["198.51.100.0/24"]
upstream = ["tls://9.9.9.9#dns.quad9.net", "1.1.1.1"]
fallback = "8.8.8.8"
bootstrap = ["9.9.9.9"]
zone = ""
canary_apple = false
block = ["ads.example", "=one.example"]
answer = ["192.0.2.1", "2001:db8::1"]
log = "full"
refuse_bypass = false
[dns.cache]
size = "1MiB"
max_ttl = "1h"
stale_after_ms = 500
[dns.limits]
in_flight = 7
[dns.query_log]
path = "q.log"
[[dns.route]]
domain = "corp.example"
upstream = "192.0.2.53"
[[dns.record]]
name = "printer.home.arpa"
type = "A"
value = "192.0.2.9"
)");
  const dns::Settings& settings = config->dns;
  CHECK_FALSE(settings.intercept);
  CHECK(settings.pass.at(0).to_string() == "198.51.100.0/24");
  CHECK(settings.upstream.size() == 2);
  CHECK(settings.fallback.at(0) == "8.8.8.8");
  CHECK(settings.zone.empty());
  CHECK_FALSE(settings.canary_apple);
  CHECK(settings.canary_firefox);
  CHECK(settings.cache.bytes == 1 << 20);
  CHECK(settings.cache.max_ttl == 1h);
  CHECK(settings.cache.stale_after == 500ms);
  CHECK(settings.limits.in_flight == 7);
  CHECK(settings.log.path == "/etc/culvert/q.log");
  CHECK(settings.routes.at(0).domain == "corp.example");
  CHECK(settings.records.at(0).value == "192.0.2.9");
  const dns::Policy& policy = settings.policy;
  CHECK(policy.block.size() == 2);
  CHECK(policy.answer == dns::AnswerMode::address);
  CHECK(policy.answer6.to_string() == "2001:db8::1");
  CHECK(policy.log == dns::LogPrivacy::full);
  CHECK(policy.filters());
  CHECK_FALSE(policy.refuses_bypass());
}

TEST_CASE("a group starts from [dns], and a peer from its group") {
  const auto config = good(R"([dns]
lists = ["ads"]
log = "off"
[[dns.list]]
name = "ads"
path = "ads.txt"
[[dns.list]]
name = "games"
url = "https://example.org/games.txt"
format = "hosts"
match = "suffix"
kind = "allow"
[group.kids]
dns_lists = ["ads", "games"]
dns_safe_search = true
[[group.kids.dns_schedule]]
hours = "mon-fri 21:00-07:00"
everything = true
[group.plain]
[[peer]]
public_key = ")" + std::string(key_a) +
                           R"("
allowed_ips = "10.8.0.2"
group = "kids"
dns_log = "blocked"
)");
  const auto& kids = *config->groups.at("kids").dns;
  CHECK(kids.lists == std::vector<std::string>{"ads", "games"});
  CHECK(kids.log == dns::LogPrivacy::off);
  REQUIRE(kids.schedules.size() == 1);
  CHECK(kids.schedules[0].everything);
  CHECK(config->groups.at("plain").dns == config->dns_policy);  // shared, not copied
  const auto& peer = *config->peers.at(0).policy.dns;
  CHECK(peer.safe_search);
  CHECK(peer.log == dns::LogPrivacy::blocked);
  CHECK(peer.schedules.size() == 1);
  const auto& lists = config->dns.lists;
  CHECK(lists.at(0).trusted);
  CHECK(lists.at(0).path == "/etc/culvert/ads.txt");
  CHECK_FALSE(lists.at(1).trusted);
  CHECK(lists.at(1).subdomains);
  CHECK(lists.at(1).allows);
  CHECK(lists.at(1).format == dns::ListSettings::Format::hosts);
}

TEST_CASE("what is wrong in [dns] is named with its line and what was expected") {
  refused("[dns]\nupstream = [\"ftp://x\"]\n", "f:6: dns.upstream");
  refused("[dns]\nbootstrap = [\"dns.example\"]\n",
          "f:6: dns.bootstrap = \"dns.example\", expected");
  refused("[dns]\nblock = [\"b\xc3\xbc.example\"]\n", "f:6: dns.block");
  refused("[dns]\nanswer = \"nx\"\n", "f:6: dns.answer = \"nx\", expected null, nxdomain");
  refused("[dns]\nanswer = [\"192.0.2.1\", \"192.0.2.2\"]\n", "at most one address of each family");
  refused("[dns]\nlog = \"some\"\n", "f:6: dns.log = \"some\", expected one of off, counts");
  refused("[dns]\nlists = [\"ads\"]\n", "f:6: dns.lists names \"ads\"");
  refused("[dns]\nupstreams = []\n", "unknown key dns.upstreams, expected dns.upstream");
  refused("[group.g]\ndns_list = []\n", "unknown key group.g.dns_list, expected group.g.dns_lists");
  refused("[[dns.list]]\nname = \"a/b\"\npath = \"x\"\n", "f:6: dns.list.name");
  refused("[[dns.list]]\nname = \"a\"\n", "f:5: dns.list has no source");
  refused("[[dns.list]]\nname = \"a\"\npath = \"x\"\n[[dns.list]]\nname = \"a\"\npath = \"y\"\n",
          "two sections [[dns.list]] have the name \"a\"");
  refused("[[dns.list]]\nname = \"a\"\nurl = \"file:///x\"\n", "f:7: dns.list.url");
  refused("[[dns.schedule]]\nhours = \"never\"\neverything = true\n", "f:6: dns.schedule.hours");
  refused("[[dns.schedule]]\nhours = \"22:00-06:00\"\n", "f:5: dns.schedule blocks nothing");
  refused("[[dns.record]]\nname = \"a.example\"\ntype = \"A\"\nvalue = \"1.2.3\"\n",
          "f:5: dns.record");
  refused("[[dns.route]]\ndomain = \"a.example\"\n", "f:5: dns.route.upstream is missing");
  refused("[dns.cache]\nmin_ttl = \"1h\"\nmax_ttl = \"1m\"\n", "dns.cache.min_ttl");
}

TEST_CASE("a pattern, a URL or an address is no domain") {
  for (const char* text : {"*.example.com", "=*.example.com", "||example.com^", "192.0.2.1",
                           "https://example.com/", "example.com/ads"})
    for (const char* key : {"allow", "block"})
      refused(std::string("[dns]\n") + key + " = [\"" + text + "\"]\n",
              std::string("f:6: dns.") + key + " = \"" + text + "\", expected a domain in ASCII");
  refused("[dns]\nzone = \"*.lan\"\n", "f:6: dns.zone = \"*.lan\", expected a domain");
  const std::string to = "upstream = \"192.0.2.53\"\n";
  refused("[[dns.route]]\ndomain = \"*.lan\"\n" + to, "f:6: dns.route.domain = \"*.lan\"");
  good("[[dns.route]]\ndomain = \".\"\n" + to);
  good("[[dns.route]]\ndomain = \"0/25.2.0.192.in-addr.arpa\"\n" + to);
  refused(record("a.*.lan", "A", "192.0.2.1"), "name \"a.*.lan\" is no domain name");
  refused(record("*", "A", "192.0.2.1"), "name \"*\" is no domain name");
}

TEST_CASE("what says nothing or two things is refused") {
  refused("[dns]\nanswer = []\n", "f:6: dns.answer = a list, expected null");
  refused("[[dns.route]]\ndomain = \"lan\"\nupstream = []\n",
          "f:7: dns.route.upstream = a list, expected one resolver at least");
  refused(
      "[[dns.route]]\ndomain = \"lan\"\nupstream = \"192.0.2.1\"\n"
      "[[dns.route]]\ndomain = \"LAN.\"\nupstream = \"192.0.2.2\"\n",
      "f:8: two sections [[dns.route]] have the domain \"LAN.\"");
  refused("[[dns.list]]\nname = \"a\"\npath = \"x\"\nurl = \"http://h/x\"\n",
          "f:5: dns.list has path and url, expected one of them");
  refused(
      "[dns]\nlists = [\"a\"]\n[[dns.list]]\nname = \"a\"\nurl = \"https://h/x\"\nca_file = "
      "\"/none\"\n",
      "f:10: dns.list.ca_file: /none: ");
}

TEST_CASE("a mistake in a group is found where it stands") {
  refused("[group.g]\ndns_upstream = \"10.8.0.1\"\n", "f:6: group.g.dns_upstream has 10.8.0.1");
  refused("[[group.g.dns_schedule]]\nhours = \"22:00-06:00\"\nlists = [\"a\"]\n",
          "f:5: group.g.dns_schedule.lists names \"a\"");
}

TEST_CASE("an upstream that would lead back to the server is refused") {
  refused("[dns]\nupstream = [\"10.8.0.1\"]\n",
          "f:6: dns.upstream has 10.8.0.1, which is this server");
  refused("[dns]\nbootstrap = [\"10.8.0.1\"]\n", "f:6: dns.bootstrap has 10.8.0.1");
  refused("[dns]\nupstream = [\"224.0.0.251\"]\n",
          "f:6: dns.upstream = \"224.0.0.251\": expected an address of a server");
  refused("[dns]\nencrypted_only = true\nupstream = [\"9.9.9.9\"]\n", "9.9.9.9 is not encrypted");
  refused("[dns]\nencrypted_only = true\n", "without an encrypted resolver");
  const std::string encrypted =
      "[dns]\nencrypted_only = true\nupstream = [\"tls://9.9.9.9#dns.quad9.net\"]\n";
  refused(encrypted + "[[dns.route]]\ndomain = \"a.example\"\nupstream = [\"192.0.2.1\"]\n",
          "192.0.2.1 is not encrypted, expected tls:// or https:// in dns.route.upstream");
  refused(encrypted + "[group.g]\ndns_upstream = [\"192.0.2.1\"]\n",
          "192.0.2.1 is not encrypted, expected tls:// or https:// in group.g.dns_upstream");
}

TEST_CASE("a file of authorities has to hold some") {
  const culvert::test::Folder folder;
  const std::string ca_file = "[dns]\nca_file = \"";
  refused(ca_file + folder / "none" + "\"\n", "f:6: dns.ca_file: ");
  refused(ca_file + folder.write("empty", "no certificate\n") + "\"\n",
          "expected certificates in PEM");
}

TEST_CASE("a list that nobody uses, or that is not there, is warned of") {
  const Loaded loaded = load("[[dns.list]]\nname = \"ads\"\npath = \"ads.txt\"\n");
  CHECK(loaded.config != nullptr);
  CHECK(all(loaded).find("f:5: warning: the list \"ads\" is used by nobody") != std::string::npos);
  CHECK(
      all(loaded).find("f:5: warning: the list \"ads\" has no rules yet: /etc/culvert/ads.txt: No "
                       "such file") != std::string::npos);
}
