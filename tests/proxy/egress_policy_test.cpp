#include "proxy/egress_policy.hpp"

#include <ifaddrs.h>

#include <string>

#include "tests/support/catch.hpp"

using namespace culvert;
using base::Endpoint;
using base::IpAddress;
using base::Prefix;
using base::Protocol;
using proxy::Egress;
using proxy::EgressPolicy;
using proxy::EgressRule;
using proxy::EgressRules;

namespace {

IpAddress ip(const std::string& text) {
  const auto parsed = IpAddress::parse(text);
  INFO(text);
  REQUIRE(parsed);
  return *parsed;
}

EgressRules rules(std::initializer_list<const char*> allow,
                  std::initializer_list<const char*> deny = {}) {
  EgressRules made;
  for (const char* text : allow) made.allow.push_back(EgressRule::parse(text).value());
  for (const char* text : deny) made.deny.push_back(EgressRule::parse(text).value());
  return made;
}

EgressPolicy policy(EgressRules global = {}) {
  return EgressPolicy(std::move(global),
                      {*Prefix::parse("203.0.113.7"), *Prefix::parse("10.8.0.0/24"),
                       *Prefix::parse("2001:db8:77::1"), *Prefix::parse("fd08::/64")},
                      {51820, 9586});
}

struct Form {
  const char* address;
  const char* what;
};

constexpr Form denied[] = {
    {"0.0.0.0", "unspecified"},
    {"0.1.2.3", "this network"},
    {"127.0.0.1", "loopback"},
    {"127.9.9.9", "loopback, not .1"},
    {"127.255.255.255", "loopback, last"},
    {"10.0.0.1", "private"},
    {"10.255.255.255", "private, last"},
    {"172.16.0.1", "private"},
    {"172.31.255.254", "private, last"},
    {"192.168.0.1", "private"},
    {"192.168.255.255", "private, last"},
    {"100.64.0.1", "shared"},
    {"100.127.255.254", "shared, last"},
    {"100.100.100.200", "metadata"},
    {"169.254.0.1", "link-local"},
    {"169.254.169.254", "metadata"},
    {"169.254.170.2", "metadata"},
    {"168.63.129.16", "metadata"},
    {"192.0.0.192", "metadata"},
    {"224.0.0.1", "multicast"},
    {"239.255.255.250", "multicast"},
    {"240.0.0.1", "reserved"},
    {"255.255.255.254", "reserved"},
    {"255.255.255.255", "broadcast"},
    {"203.0.113.7", "own address"},
    {"10.8.0.1", "own tunnel address"},
    {"10.8.0.77", "tunnel network"},
    {"::", "unspecified"},
    {"::1", "loopback"},
    {"::2", "compatible 0.0.0.2"},
    {"::127.0.0.1", "compatible loopback"},
    {"::10.0.0.1", "compatible private"},
    {"::ffff:127.0.0.1", "mapped loopback"},
    {"::ffff:0.0.0.0", "mapped unspecified"},
    {"::ffff:169.254.169.254", "mapped metadata"},
    {"::ffff:10.1.2.3", "mapped private"},
    {"::ffff:203.0.113.7", "mapped own address"},
    {"::ffff:224.0.0.1", "mapped multicast"},
    {"64:ff9b::7f00:1", "NAT64 loopback"},
    {"64:ff9b::a9fe:a9fe", "NAT64 metadata"},
    {"64:ff9b::cb00:7107", "NAT64 own address"},
    {"64:ff9b::c0a8:101", "NAT64 private"},
    {"64:ff9b:1::7f00:1", "local NAT64, /96"},
    {"64:ff9b:1:7f00:0:100::", "local NAT64, /48"},
    {"64:ff9b:1:7f:0:1::", "local NAT64, /56: 127.0.0.1"},
    {"64:ff9b:1:0:7f:0:100:0", "local NAT64, /64: 127.0.0.1"},
    {"2002:7f00:1::1", "6to4 loopback"},
    {"2002:a00:1::", "6to4 private"},
    {"2002:a9fe:a9fe::1", "6to4 metadata"},
    {"2002:cb00:7107::9", "6to4 own address"},
    {"2001:0:808:808:0:0:80ff:fffe", "Teredo client 127.0.0.1"},
    {"2001:0:7f00:1:0:0:f7f7:f7f7", "Teredo server 127.0.0.1"},
    {"2001:0:808:808:0:0:f5ff:fffe", "Teredo client 10.0.0.1"},
    {"2001:db8::5efe:127.0.0.1", "ISATAP loopback"},
    {"2001:db8::200:5efe:10.0.0.1", "ISATAP private, universal"},
    {"2001:db8::5efe:169.254.169.254", "ISATAP metadata"},
    {"fe80::1", "link-local"},
    {"febf::1", "link-local, last"},
    {"fec0::1", "site-local"},
    {"fc00::1", "unique local"},
    {"fd12:3456::1", "unique local"},
    {"fd00:ec2::254", "metadata"},
    {"fd20:ce::254", "metadata"},
    {"ff02::1", "multicast"},
    {"ff0e::1", "multicast, global"},
    {"2001:db8:77::1", "own address"},
    {"fd08::1", "own tunnel address"},
};
static_assert(std::size(denied) >= 60);

constexpr const char* permitted[] = {
    "1.1.1.1",          "8.8.8.8",         "9.255.255.255",
    "11.0.0.0",         "100.63.255.255",  "100.128.0.0",
    "128.0.0.1",        "126.255.255.255", "169.253.255.255",
    "169.255.0.0",      "172.15.255.255",  "172.32.0.0",
    "192.0.0.193",      "192.167.255.255", "192.169.0.0",
    "223.255.255.255",  "168.63.129.17",   "203.0.113.8",
    "2606:4700::1111",  "2001:db8:77::2",  "::ffff:8.8.8.8",
    "64:ff9b::808:808", "2002:808:808::1", "2001:0:808:808:0:0:f7f7:f7f7",
    "fbff::1",          "fe00::1",         "2001:db8::5efe:8.8.8.8",
};

}  // namespace

TEST_CASE("every form of a forbidden address is refused for every protocol") {
  const EgressPolicy p = policy();
  for (const Form& form : denied) {
    INFO(form.address << " (" << form.what << ")");
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::icmp, Protocol::icmp6})
      CHECK(p.judge({ip(form.address), 443}, protocol, nullptr) == Egress::denied);
  }
}

TEST_CASE("a rule for everything opens neither loopback, metadata, multicast nor this host") {
  const EgressPolicy p = policy(rules({"0.0.0.0/0", "::/0"}));
  for (const Form& form : denied) {
    const std::string why(proxy::builtin_denial(ip(form.address)));
    if (why == "private" || why == "shared address space") continue;
    INFO(form.address << " (" << form.what << ")");
    CHECK_FALSE(p.allows({ip(form.address), 443}, Protocol::tcp, nullptr));
  }
}

TEST_CASE("the neighbours of forbidden ranges are reachable") {
  const EgressPolicy p = policy();
  for (const char* address : permitted) {
    INFO(address);
    CHECK(p.judge({ip(address), 443}, Protocol::tcp, nullptr) == Egress::allowed);
  }
}

TEST_CASE("an allow rule opens a private range, and only that") {
  const EgressPolicy p = policy(rules({"10.1.0.0/16", "fd12::/16"}));
  CHECK(p.allows({ip("10.1.2.3"), 80}, Protocol::tcp, nullptr));
  CHECK(p.allows({ip("fd12::5"), 80}, Protocol::udp, nullptr));
  CHECK_FALSE(p.allows({ip("10.2.2.3"), 80}, Protocol::tcp, nullptr));
  CHECK_FALSE(p.allows({ip("192.168.1.1"), 80}, Protocol::tcp, nullptr));
  CHECK_FALSE(p.allows({ip("fd13::5"), 80}, Protocol::tcp, nullptr));
}

TEST_CASE("loopback is open only to a rule inside 127.0.0.0/8, and is then known as this host") {
  CHECK(policy(rules({"127.0.0.0/8"})).judge({ip("127.0.0.1"), 80}, Protocol::tcp, nullptr) ==
        Egress::allowed_here);
  CHECK(policy(rules({"127.0.0.1:80/tcp"})).judge({ip("127.0.0.1"), 80}, Protocol::tcp, nullptr) ==
        Egress::allowed_here);
  CHECK_FALSE(
      policy(rules({"127.0.0.1:80/tcp"})).allows({ip("127.0.0.1"), 81}, Protocol::tcp, nullptr));
  CHECK_FALSE(policy(rules({"126.0.0.0/7"})).allows({ip("127.0.0.1"), 80}, Protocol::tcp, nullptr));
  CHECK(policy(rules({"::1"})).judge({ip("::1"), 80}, Protocol::tcp, nullptr) ==
        Egress::allowed_here);
}

TEST_CASE("an own address is open only to a rule that names it") {
  CHECK(policy(rules({"203.0.113.7"})).judge({ip("203.0.113.7"), 80}, Protocol::tcp, nullptr) ==
        Egress::allowed_here);
  CHECK_FALSE(
      policy(rules({"203.0.113.0/24"})).allows({ip("203.0.113.7"), 80}, Protocol::tcp, nullptr));
}

TEST_CASE("culvert's own ports on this host stay closed under any rule") {
  const EgressPolicy p = policy(rules({"127.0.0.0/8", "203.0.113.7"}));
  CHECK(p.judge({ip("127.0.0.1"), 51820}, Protocol::udp, nullptr) != Egress::allowed_here);
  CHECK(p.judge({ip("203.0.113.7"), 9586}, Protocol::tcp, nullptr) != Egress::allowed_here);
  CHECK(p.judge({ip("198.51.100.1"), 51820}, Protocol::udp, nullptr) == Egress::allowed);
}

TEST_CASE("a metadata host is opened by its own address alone, not by its range") {
  CHECK_FALSE(
      policy(rules({"fc00::/7"})).allows({ip("fd00:ec2::254"), 80}, Protocol::tcp, nullptr));
  CHECK(policy(rules({"fd00:ec2::254"})).allows({ip("fd00:ec2::254"), 80}, Protocol::tcp, nullptr));
}

TEST_CASE("deny wins over allow, in either list, also behind an embedded form") {
  const EgressRules group = rules({"10.0.0.0/8"}, {"8.8.8.0/24"});
  const EgressPolicy p = policy(rules({"10.1.0.0/16"}, {"10.1.9.0/24", "0.0.0.0/0:25/tcp"}));
  CHECK(p.allows({ip("10.1.2.3"), 80}, Protocol::tcp, nullptr));
  CHECK_FALSE(p.allows({ip("10.1.9.3"), 80}, Protocol::tcp, &group));
  CHECK(p.allows({ip("10.200.0.1"), 80}, Protocol::tcp, &group));
  CHECK_FALSE(p.allows({ip("10.200.0.1"), 80}, Protocol::tcp, nullptr));
  CHECK_FALSE(p.allows({ip("8.8.8.8"), 53}, Protocol::udp, &group));
  CHECK_FALSE(p.allows({ip("64:ff9b::808:808"), 53}, Protocol::udp, &group));
  CHECK_FALSE(p.allows({ip("1.1.1.1"), 25}, Protocol::tcp, nullptr));
  CHECK(p.allows({ip("1.1.1.1"), 25}, Protocol::udp, nullptr));
}

TEST_CASE("a rule's text is read and written back") {
  struct {
    const char* text;
    const char* back;
  } const good[] = {
      {"10.1.0.0/16", "10.1.0.0/16"},
      {"10.1.2.3:443", "10.1.2.3/32:443"},
      {"10.1.2.3/tcp", "10.1.2.3/32/tcp"},
      {"[fd00::]/8:80-90/tcp", "[fd00::]/8:80-90/tcp"},
      {"[fd00::1]:443/udp", "[fd00::1]/128:443/udp"},
      {"fd00::/8", "fd00::/8"},
      {"::/0/icmp", "::/0/icmp"},
      {"0.0.0.0/0:25/tcp", "0.0.0.0/0:25/tcp"},
      {"0.0.0.0/0:0-65535", "0.0.0.0/0"},
  };
  for (const auto& [text, back] : good) {
    INFO(text);
    const auto rule = EgressRule::parse(text);
    REQUIRE(rule);
    const std::string written = rule->to_string();
    // A whole address may be written with or without its length.
    std::string want = back;
    if (want != written)
      for (const char* full : {"/32", "/128"})
        if (const auto at = want.find(full); at != want.npos)
          want.erase(at, std::string(full).size());
    CHECK(written == want);
    const auto again = EgressRule::parse(written);
    REQUIRE(again);
    CHECK(again->to_string() == written);
  }
}

TEST_CASE("a rule that is not one is refused") {
  for (const char* text :
       {"", "x", "10.0.0.0/33", "10.0.0.1:", "10.0.0.1:70000", "10.0.0.1:90-80", "10.0.0.1:1-2-3",
        "10.0.0.0/8/sctp", "10.0.0.1:80/icmp", "[fd00::1", "[fd00::1]:", "[fd00::1]x",
        "[10.0.0.1]:80", "10.0.0.1:-5", "10.0.0.1:+5", "10.0.0.1: 5", "/8", ":80"}) {
    INFO(text);
    CHECK_FALSE(EgressRule::parse(text));
  }
}

TEST_CASE("an ICMP rule matches both versions, and a rule with ports is not about ICMP") {
  const EgressRule icmp = EgressRule::parse("10.0.0.0/8/icmp").value();
  CHECK(icmp.matches({ip("10.0.0.1"), 0}, Protocol::icmp));
  CHECK(icmp.matches({ip("10.0.0.1"), 0}, Protocol::icmp6));
  CHECK_FALSE(icmp.matches({ip("10.0.0.1"), 0}, Protocol::udp));
  CHECK_FALSE(EgressRule::parse("10.0.0.0/8:0-80")->matches({ip("10.0.0.1"), 0}, Protocol::icmp));
}

TEST_CASE("the kernel's routing tells which addresses are this host") {
  for (const char* here : {"127.0.0.1", "127.9.9.9", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1"}) {
    INFO(here);
    CHECK(proxy::leads_to_this_host(ip(here)));
  }
  CHECK_FALSE(proxy::leads_to_this_host(ip("192.0.2.1")));

  ifaddrs* list = nullptr;
  REQUIRE(getifaddrs(&list) == 0);
  for (const ifaddrs* i = list; i; i = i->ifa_next) {
    if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET) continue;
    sockaddr_storage address{};
    std::memcpy(&address, i->ifa_addr, sizeof(sockaddr_in));
    CHECK(proxy::leads_to_this_host(Endpoint::from_sockaddr(address).address));
  }
  freeifaddrs(list);
}
