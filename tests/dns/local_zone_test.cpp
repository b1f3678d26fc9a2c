// Records of the operator, and special names.
#include <algorithm>

#include "tests/dns/local_zone_world.hpp"

using namespace culvert;
using namespace culvert::dns;
using culvert::test::addresses;
using culvert::test::name;
using World = culvert::test::LocalWorld;
using Kind = LocalZone::Kind;

TEST_CASE("a record is answered with its type, and NODATA with an SOA for other types") {
  World world({{"nas.example.com", "A", "192.0.2.7", std::chrono::seconds(77)}});
  CHECK(world.holds("nas.example.com") == Kind::record);
  CHECK(world.ask("nas.example.com", type::a) ==
        "NOERROR aa\nanswer nas.example.com 77 A 192.0.2.7");
  CHECK(world.ask("nas.example.com", type::aaaa) ==
        "NOERROR aa\nauthority nas.example.com 60 SOA nas.example.com");
  CHECK(world.holds("example.com") == Kind::no);
  CHECK(world.holds("x.nas.example.com") == Kind::no);
  CHECK(world.holds("com") == Kind::no);
  CHECK(world.holds(".") == Kind::no);
}

TEST_CASE("all records of a name and type are given, and ANY gives all of the name") {
  World world(
      {{"h.lan", "A", "192.0.2.1"}, {"h.lan", "A", "192.0.2.2"}, {"h.lan", "MX", "5 m.lan"}});
  CHECK(world.ask("h.lan", type::a) ==
        "NOERROR aa\nanswer h.lan 300 A 192.0.2.1\nanswer h.lan 300 A 192.0.2.2");
  CHECK(world.ask("h.lan", type::any) ==
        "NOERROR aa\nanswer h.lan 300 A 192.0.2.1\nanswer h.lan 300 A 192.0.2.2\n"
        "answer h.lan 300 MX 0005016d036c616e00");
}

TEST_CASE("a wildcard stands for every name below without records of its own, at any depth") {
  World world({{"*.lab.lan", "A", "192.0.2.9"}, {"own.lab.lan", "A", "192.0.2.1"}});
  CHECK(world.ask("a.lab.lan", type::a) == "NOERROR aa\nanswer a.lab.lan 300 A 192.0.2.9");
  CHECK(world.ask("a.b.lab.lan", type::a) == "NOERROR aa\nanswer a.b.lab.lan 300 A 192.0.2.9");
  CHECK(world.ask("own.lab.lan", type::a) == "NOERROR aa\nanswer own.lab.lan 300 A 192.0.2.1");
  CHECK(world.ask("x.own.lab.lan", type::a) == "NOERROR aa\nanswer x.own.lab.lan 300 A 192.0.2.9");
  CHECK(world.ask("a.lab.lan", type::txt) == "NOERROR aa\nauthority a.lab.lan 60 SOA a.lab.lan");
  CHECK(world.holds("lab.lan") == Kind::no);
}

TEST_CASE("a CNAME is followed among our records, and says where it leaves them") {
  World world({{"a.lan", "CNAME", "b.lan"},
               {"b.lan", "CNAME", "c.lan"},
               {"c.lan", "A", "192.0.2.3"},
               {"out.lan", "CNAME", "www.example.com"}});
  CHECK(world.ask("a.lan", type::a) ==
        "NOERROR aa\nanswer a.lan 300 CNAME b.lan\nanswer b.lan 300 CNAME c.lan\n"
        "answer c.lan 300 A 192.0.2.3");
  CHECK(world.outside.is_root());
  CHECK(world.ask("a.lan", type::cname) == "NOERROR aa\nanswer a.lan 300 CNAME b.lan");
  CHECK(world.ask("out.lan", type::a) == "NOERROR aa\nanswer out.lan 300 CNAME www.example.com");
  CHECK(world.outside == name("www.example.com"));
  CHECK(world.ask("out.lan", type::cname) ==
        "NOERROR aa\nanswer out.lan 300 CNAME www.example.com");
  CHECK(world.outside.is_root());
}

TEST_CASE("records that lead in a circle end in SERVFAIL") {
  World world({{"a.lan", "CNAME", "b.lan"}, {"b.lan", "CNAME", "a.lan"}});
  CHECK(world.ask("a.lan", type::a).starts_with("SERVFAIL aa\n"));
}

TEST_CASE("addresses of records have a PTR, but not those of wildcards or of loopback") {
  World world({{"h.example.com", "A", "198.18.0.5"},
               {"h.example.com", "AAAA", "2001:470::5"},
               {"i.example.com", "A", "\\# 4 c6120006"},
               {"*.example.net", "A", "198.18.0.7"},
               {"loop.example.net", "A", "127.0.0.1"},
               {"null.example.net", "A", "0.0.0.0"}});
  CHECK(world.holds("5.0.18.198.in-addr.arpa") == Kind::record);
  CHECK(world.ask("5.0.18.198.in-addr.arpa", type::ptr) ==
        "NOERROR aa\nanswer 5.0.18.198.in-addr.arpa 300 PTR h.example.com");
  const std::string six =
      "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.4.0.1.0.0.2.ip6.arpa";
  CHECK(world.ask(six, type::ptr) == "NOERROR aa\nanswer " + six + " 300 PTR h.example.com");
  CHECK(world.ask("6.0.18.198.in-addr.arpa", type::ptr) ==
        "NOERROR aa\nanswer 6.0.18.198.in-addr.arpa 300 PTR i.example.com");
  CHECK(world.holds("7.0.18.198.in-addr.arpa") == Kind::no);
  CHECK(world.holds("18.198.in-addr.arpa") == Kind::no);
  CHECK(world.ask("1.0.0.127.in-addr.arpa", type::ptr) ==
        "NOERROR aa\nanswer 1.0.0.127.in-addr.arpa 3600 PTR localhost");
  CHECK(world.ask("0.0.0.0.in-addr.arpa", type::ptr).starts_with("NXDOMAIN"));
}

TEST_CASE("a PTR record goes before the name that an address record gives") {
  World world(
      {{"h.example.com", "A", "198.18.0.5"}, {"5.0.18.198.in-addr.arpa", "PTR", "real.lan"}});
  CHECK(world.ask("5.0.18.198.in-addr.arpa", type::ptr) ==
        "NOERROR aa\nanswer 5.0.18.198.in-addr.arpa 300 PTR real.lan");
}

TEST_CASE("localhost is the client's own, with all names below") {
  World world;
  for (const std::string host : {"localhost", "x.localhost", "a.b.localhost"}) {
    CHECK(world.holds(host) == Kind::special);
    CHECK(world.ask(host, type::a) == "NOERROR aa\nanswer " + host + " 3600 A 127.0.0.1");
    CHECK(world.ask(host, type::aaaa) == "NOERROR aa\nanswer " + host + " 3600 AAAA ::1");
    CHECK(world.ask(host, type::mx) == "NOERROR aa\nauthority localhost 60 SOA localhost");
  }
  const std::string six =
      "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa";
  CHECK(world.ask(six, type::ptr) == "NOERROR aa\nanswer " + six + " 3600 PTR localhost");
}

TEST_CASE("names that nobody outside can know are answered NXDOMAIN here") {
  World world;
  for (const std::string zone : {"invalid",
                                 "test",
                                 "local",
                                 "onion",
                                 "alt",
                                 "home.arpa",
                                 "10.in-addr.arpa",
                                 "16.172.in-addr.arpa",
                                 "31.172.in-addr.arpa",
                                 "168.192.in-addr.arpa",
                                 "254.169.in-addr.arpa",
                                 "0.in-addr.arpa",
                                 "127.in-addr.arpa",
                                 "64.100.in-addr.arpa",
                                 "127.100.in-addr.arpa",
                                 "d.f.ip6.arpa",
                                 "8.e.f.ip6.arpa",
                                 "b.e.f.ip6.arpa",
                                 "8.b.d.0.1.0.0.2.ip6.arpa",
                                 "2.0.192.in-addr.arpa",
                                 "100.51.198.in-addr.arpa",
                                 "113.0.203.in-addr.arpa"}) {
    CHECK(world.holds("x.y." + zone) == Kind::special);
    CHECK(world.ask("x.y." + zone, type::a) ==
          "NXDOMAIN aa\nauthority " + zone + " 60 SOA " + zone);
    CHECK(world.ask(zone, type::a) == "NOERROR aa\nauthority " + zone + " 60 SOA " + zone);
  }
  for (const char* const known :
       {"example", "arpa", "in-addr.arpa", "ip6.arpa", "172.in-addr.arpa", "15.172.in-addr.arpa",
        "32.172.in-addr.arpa", "63.100.in-addr.arpa", "128.100.in-addr.arpa", "11.in-addr.arpa",
        "xlocal", "resolver.arpa", "_dns.resolver.arpa", "c.e.f.ip6.arpa", "internal"})
    CHECK(world.holds(known) == Kind::no);
}

TEST_CASE("ipv4only.arpa says that there is no NAT64") {
  World world;
  CHECK(world.ask("ipv4only.arpa", type::a) ==
        "NOERROR aa\nanswer ipv4only.arpa 3600 A 192.0.0.170\n"
        "answer ipv4only.arpa 3600 A 192.0.0.171");
  CHECK(world.ask("ipv4only.arpa", type::aaaa) ==
        "NOERROR aa\nauthority ipv4only.arpa 60 SOA ipv4only.arpa");
  CHECK(world.ask("170.0.0.192.in-addr.arpa", type::ptr).ends_with("PTR ipv4only.arpa"));
}

TEST_CASE("a special name that a route has is not ours, but records and peers still are") {
  World world({{"nas.home.arpa", "A", "192.168.1.7"}}, {{"home.arpa", {"192.168.1.1"}},
                                                        {"1.10.in-addr.arpa", {"192.168.1.1"}},
                                                        {"168.192.in-addr.arpa", {"192.168.1.1"}},
                                                        {"test", {"192.168.1.1"}},
                                                        {"localhost", {"192.168.1.1"}}});
  world.zone->set_peer("p", addresses({"10.1.0.2"}));
  CHECK(world.holds("x.home.arpa") == Kind::no);
  CHECK(world.holds("home.arpa") == Kind::no);
  CHECK(world.holds("nas.home.arpa") == Kind::record);
  CHECK(world.holds("7.1.168.192.in-addr.arpa") == Kind::record);
  CHECK(world.holds("8.1.168.192.in-addr.arpa") == Kind::no);
  CHECK(world.holds("2.0.1.10.in-addr.arpa") == Kind::record);
  CHECK(world.holds("3.0.1.10.in-addr.arpa") == Kind::no);
  CHECK(world.holds("3.0.2.10.in-addr.arpa") == Kind::special);
  CHECK(world.holds("a.test") == Kind::no);
  CHECK(world.holds("localhost") == Kind::no);
  CHECK(world.holds("x.localhost") == Kind::no);
  CHECK(world.holds("a.invalid") == Kind::special);
}

TEST_CASE("a route above special names takes them, one for everything does not") {
  World above({}, {{"arpa", {"192.168.1.1"}}});
  CHECK(above.holds("x.home.arpa") == Kind::no);
  CHECK(above.holds("1.1.168.192.in-addr.arpa") == Kind::no);
  CHECK(above.holds("1.0.8.10.in-addr.arpa") == Kind::record);  // the gateway's
  World everything({}, {{".", {"192.168.1.1"}}});
  CHECK(everything.holds("x.home.arpa") == Kind::special);
}

TEST_CASE("the nearest of route, wildcard and zone decides") {
  World world({{"*.lan", "A", "192.0.2.1"}}, {{"corp.lan", {"192.168.1.1"}},
                                              {"internal", {"192.168.1.1"}},
                                              {"far.culvert.internal", {"192.168.1.1"}}});
  CHECK(world.holds("x.lan") == Kind::record);
  CHECK(world.holds("x.corp.lan") == Kind::no);
  CHECK(world.holds("x.culvert.internal") == Kind::record);
  CHECK(world.holds("x.internal") == Kind::no);
  CHECK(world.holds("x.far.culvert.internal") == Kind::no);
}

TEST_CASE("a record may say something else of a special name") {
  World world({{"localhost", "A", "127.0.0.2"}, {"printer.local", "A", "192.168.1.9"}});
  CHECK(world.holds("localhost") == Kind::record);
  CHECK(world.ask("localhost", type::a).ends_with("300 A 127.0.0.2"));
  CHECK(world.ask("printer.local", type::a).ends_with("300 A 192.168.1.9"));
  CHECK(world.ask("other.local", type::a).starts_with("NXDOMAIN"));
}

TEST_CASE("a wrong record is refused with what was found and expected") {
  const auto check = [](const char* owner, const char* type, const char* value) {
    return LocalZone::check({owner, type, value});
  };
  CHECK(check("a.lan", "A", "192.0.2.1").empty());
  CHECK(check("*.a.lan", "AAAA", "2001:db8::1").empty());
  CHECK(check("a..lan", "A", "192.0.2.1") ==
        "name \"a..lan\" is no domain name, nor one behind \"*.\"");
  CHECK(check("*.", "A", "192.0.2.1").starts_with("name "));
  CHECK(check("a.lan", "AX", "1").starts_with("type \"AX\" is not known"));
  CHECK(check("a.lan", "A", "2001:db8::1") ==
        "value of A: \"2001:db8::1\" found, an IPv4 address expected");
  CHECK(check("a.lan", "SOA", "x y 1 2 3 4 5") ==
        "value of SOA: SOA is no type that a record may have");
  CHECK(check("a.lan", "A", "") == "value of A: the value is empty");
  CHECK(!LocalZone::check({"a.lan", "A", "192.0.2.1", std::chrono::seconds(-1)}).empty());
}
