// Names of peers in the local zone.
#include <algorithm>
#include <random>

#include "tests/dns/local_zone_world.hpp"

using namespace culvert;
using namespace culvert::dns;
using culvert::test::addresses;
using culvert::test::name;
using World = culvert::test::LocalWorld;
using Kind = LocalZone::Kind;

TEST_CASE("peers have a name and a PTR, and lose them") {
  World world;
  CHECK(world.ask("laptop.culvert.internal", type::a) ==
        "NXDOMAIN aa\nauthority culvert.internal 60 SOA culvert.internal");
  world.zone->set_peer("Laptop", addresses({"10.8.0.2", "fd00::2"}));
  CHECK(world.holds("laptop.culvert.internal") == Kind::record);
  CHECK(world.ask("laptop.culvert.internal", type::a) ==
        "NOERROR aa\nanswer laptop.culvert.internal 60 A 10.8.0.2");
  CHECK(world.ask("laptop.culvert.internal", type::aaaa) ==
        "NOERROR aa\nanswer laptop.culvert.internal 60 AAAA fd00::2");
  CHECK(world.ask("laptop.culvert.internal", type::mx) ==
        "NOERROR aa\nauthority culvert.internal 60 SOA culvert.internal");
  CHECK(world.ask("2.0.8.10.in-addr.arpa", type::ptr) ==
        "NOERROR aa\nanswer 2.0.8.10.in-addr.arpa 60 PTR laptop.culvert.internal");
  const std::string six =
      "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
  CHECK(world.ask(six, type::ptr) ==
        "NOERROR aa\nanswer " + six + " 60 PTR laptop.culvert.internal");

  world.zone->set_peer("Laptop", addresses({"10.8.0.3"}));
  CHECK(world.ask("2.0.8.10.in-addr.arpa", type::ptr) ==
        "NXDOMAIN aa\nauthority 10.in-addr.arpa 60 SOA 10.in-addr.arpa");
  CHECK(world.ask("3.0.8.10.in-addr.arpa", type::ptr).starts_with("NOERROR"));
  CHECK(world.ask("laptop.culvert.internal", type::aaaa).starts_with("NOERROR aa\nauthority"));
  world.zone->remove_peer("Laptop");
  CHECK(world.ask("laptop.culvert.internal", type::a).starts_with("NXDOMAIN"));
  CHECK(world.ask("3.0.8.10.in-addr.arpa", type::ptr).starts_with("NXDOMAIN"));
}

TEST_CASE("names between a zone and a known address exist: NODATA, not NXDOMAIN") {
  World world({{"a.b.culvert.internal", "A", "192.0.2.1"}});
  world.zone->set_peer("p", addresses({"10.8.0.2"}));
  CHECK(world.ask("8.10.in-addr.arpa", type::ptr).starts_with("NOERROR aa\nauthority 10.in-addr"));
  CHECK(world.ask("9.10.in-addr.arpa", type::ptr).starts_with("NXDOMAIN"));
  CHECK(world.ask("b.culvert.internal", type::a).starts_with("NOERROR aa\nauthority culvert.int"));
  CHECK(world.ask("c.culvert.internal", type::a).starts_with("NXDOMAIN"));
  CHECK(world.ask("culvert.internal", type::a).starts_with("NOERROR aa\nauthority culvert.int"));
}

TEST_CASE("the zone itself says its SOA and NS, and the gateway its addresses") {
  World world;
  CHECK(world.ask("culvert.internal", type::soa) ==
        "NOERROR aa\nanswer culvert.internal 60 SOA culvert.internal");
  CHECK(world.ask("culvert.internal", type::ns) ==
        "NOERROR aa\nanswer culvert.internal 60 NS culvert.internal");
  CHECK(world.ask("gateway.culvert.internal", type::a) ==
        "NOERROR aa\nanswer gateway.culvert.internal 60 A 10.8.0.1");
  CHECK(world.ask("1.0.8.10.in-addr.arpa", type::ptr) ==
        "NOERROR aa\nanswer 1.0.8.10.in-addr.arpa 60 PTR gateway.culvert.internal");
  CHECK(world.holds("internal") == Kind::no);
  CHECK(world.holds("other.internal") == Kind::no);
}

TEST_CASE("a peer's name becomes a label, and no two peers have the same") {
  World world;
  world.zone->set_peer("Anna's Phone!", addresses({"10.8.0.2"}));
  CHECK(world.ask("anna-s-phone.culvert.internal", type::a).starts_with("NOERROR aa\nanswer"));
  world.zone->set_peer("laptop", addresses({"10.8.0.11"}));
  world.zone->set_peer("LAPTOP", addresses({"10.8.0.12"}));
  world.zone->set_peer("laptop-2", addresses({"10.8.0.13"}));
  world.zone->set_peer("gateway", addresses({"10.8.0.14"}));
  const auto address_of = [&](const std::string& label) {
    const std::string said = world.ask(label + ".culvert.internal", type::a);
    return said.starts_with("NOERROR aa\nanswer") ? said.substr(said.rfind(' ') + 1)
                                                  : said.substr(0, 8);
  };
  CHECK(address_of("laptop") == "10.8.0.12");  // "LAPTOP" is first in the order of octets
  CHECK(address_of("laptop-2") == "10.8.0.13");
  CHECK(address_of("laptop-3") == "10.8.0.11");
  CHECK(address_of("gateway") == "10.8.0.1");
  CHECK(address_of("gateway-2") == "10.8.0.14");
  world.zone->remove_peer("laptop-2");
  CHECK(address_of("laptop-2") == "10.8.0.11");
  CHECK(address_of("laptop-3") == "NXDOMAIN");
  world.zone->remove_peer("LAPTOP");
  CHECK(address_of("laptop") == "10.8.0.11");
  world.zone->remove_peer("laptop");
  world.zone->set_peer("laptop", addresses({"10.8.0.99"}));
  CHECK(address_of("laptop") == "10.8.0.99");
  CHECK(world.ask("11.0.8.10.in-addr.arpa", type::ptr).starts_with("NXDOMAIN"));
}

TEST_CASE("labels depend on the set of peers, not on the order they came in") {
  const std::string cut(70, 'x');
  std::vector<std::string> names{"a",
                                 "A",
                                 "a!",
                                 "a-2",
                                 "A-2",
                                 "a-2-2",
                                 "a-3",
                                 "\xc3\xa4",
                                 "\xc3\xb6",
                                 "peer",
                                 cut,
                                 cut + "y",
                                 std::string(61, 'x') + "-2"};
  std::vector<std::string> labels{"a",
                                  "a-2",
                                  "a-2-2",
                                  "a-2-3",
                                  "a-3",
                                  "a-4",
                                  "a-5",
                                  "peer",
                                  "peer-2",
                                  "peer-3",
                                  std::string(63, 'x'),
                                  std::string(61, 'x') + "-2",
                                  std::string(61, 'x') + "-3"};
  std::mt19937 random(7);
  std::string first;
  for (int round = 0; round < 20; ++round) {
    std::shuffle(names.begin(), names.end(), random);
    World world;
    for (const std::string& each : names) {
      world.zone->set_peer(each, addresses({"10.8.9.9"}));
      if (round % 2 == 0) world.holds("x.culvert.internal");  // settles
      if (random() % 3 == 0) {
        world.zone->remove_peer(each);
        if (round % 3 == 0) world.holds("x.culvert.internal");
        world.zone->set_peer(each, addresses({"10.8.9.9"}));
      }
    }
    for (const std::string& each : names) {
      const auto number = std::uint32_t(std::hash<std::string>()(each) & 0xffff);
      world.zone->set_peer(each, {base::IpAddress::v4(0x0a090000 + number)});
    }
    std::string all;
    for (const std::string& label : labels) {
      const std::string said = world.ask(label + ".culvert.internal", type::a);
      REQUIRE(said.starts_with("NOERROR aa\nanswer"));
      all += said;
    }
    if (first.empty()) first = all;
    REQUIRE(all == first);
  }
}

TEST_CASE("ten thousand peers come, are found and go, those of one label too") {
  World world;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    const std::string shape = i % 2 ? "p" + std::to_string(i) : "P " + std::string(1 + i % 40, '!');
    world.zone->set_peer(shape + (i % 2 ? "" : std::to_string(i)),
                         {base::IpAddress::v4(0x0a080002 + i)});
  }
  for (std::uint32_t i = 0; i < 5'000; ++i)
    world.zone->set_peer(std::string("\xe5\xbc\xa0") + char(0x80 + i % 64) + char(0x80 + i / 64),
                         {base::IpAddress::v4(0x0a180002 + i)});
  CHECK(world.ask("p77.culvert.internal", type::a).ends_with(" A 10.8.0.79"));
  CHECK(world.ask("peer-5000.culvert.internal", type::a).starts_with("NOERROR aa\nanswer"));
  CHECK(world.ask("peer-5001.culvert.internal", type::a).starts_with("NXDOMAIN"));
  for (std::uint32_t i = 0; i < 10'000; ++i) world.zone->remove_peer("p" + std::to_string(i));
  CHECK(world.ask("p77.culvert.internal", type::a).starts_with("NXDOMAIN"));
}

TEST_CASE("a record goes before a peer of the same name") {
  World world({{"laptop.culvert.internal", "A", "192.0.2.1"}});
  world.zone->set_peer("laptop", addresses({"10.8.0.2"}));
  CHECK(world.ask("laptop.culvert.internal", type::a).ends_with("300 A 192.0.2.1"));
}

TEST_CASE("peers stay when settings change, and follow the zone") {
  World world;
  world.zone->set_peer("laptop", addresses({"10.8.0.2"}));
  world.settings.zone = "home.example";
  world.settings.records = {{"x.lan", "A", "192.0.2.1"}};
  world.zone->set_settings(world.settings);
  CHECK(world.ask("laptop.home.example", type::a).ends_with("A 10.8.0.2"));
  CHECK(world.holds("laptop.culvert.internal") == Kind::no);
  CHECK(world.holds("x.lan") == Kind::record);
  world.settings.zone = "";
  world.zone->set_settings(world.settings);
  CHECK(world.holds("laptop.home.example") == Kind::no);
  CHECK(world.ask("2.0.8.10.in-addr.arpa", type::ptr).starts_with("NXDOMAIN"));
  world.zone->set_peer("phone", addresses({"10.8.0.3"}));
  world.settings.zone = "back.example.";
  world.zone->set_settings(world.settings);
  CHECK(world.ask("phone.back.example", type::a).ends_with("A 10.8.0.3"));
  CHECK(world.ask("2.0.8.10.in-addr.arpa", type::ptr).ends_with("PTR laptop.back.example"));
}
