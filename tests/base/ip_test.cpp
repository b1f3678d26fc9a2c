#include "base/ip.hpp"

#include <set>

#include "tests/support/catch.hpp"

using namespace culvert::base;

TEST_CASE("addresses are parsed and printed in their canonical form") {
  CHECK(IpAddress::parse("10.8.0.1")->to_string() == "10.8.0.1");
  CHECK(IpAddress::parse("2001:DB8:0:0::1")->to_string() == "2001:db8::1");
  CHECK(IpAddress::parse("::")->is_unspecified());
  CHECK(IpAddress::parse("0.0.0.0")->is_unspecified());
  CHECK(IpAddress::parse("1.2.3.4")->v4_word() == 0x01020304);
  for (const char* bad : {"", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "fe80::1%eth0", "[::1]",
                          ":::", "1.2.3.4 ", "g::"})
    CHECK_FALSE(IpAddress::parse(bad));
  CHECK_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
}

TEST_CASE("an IPv4 address and its IPv4-mapped form are different addresses") {
  CHECK(*IpAddress::parse("1.2.3.4") != *IpAddress::parse("::ffff:1.2.3.4"));
}

TEST_CASE("endpoints need brackets around IPv6 and only there") {
  CHECK(Endpoint::parse("1.2.3.4:80")->to_string() == "1.2.3.4:80");
  CHECK(Endpoint::parse("[2001:db8::1]:51820")->to_string() == "[2001:db8::1]:51820");
  for (const char* bad : {"1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "[1.2.3.4]:80", "2001:db8::1:80",
                          "[2001:db8::1]", "[]:80", ":80", "1.2.3.4:-1", "1.2.3.4:80x"})
    CHECK_FALSE(Endpoint::parse(bad));
}

TEST_CASE("an endpoint survives the way through a socket address") {
  for (const char* text : {"1.2.3.4:80", "[2001:db8::1]:65535", "0.0.0.0:0", "[::]:1"}) {
    sockaddr_storage storage;
    const Endpoint before = *Endpoint::parse(text);
    before.to_sockaddr(storage);
    CHECK(Endpoint::from_sockaddr(storage) == before);
  }
}

TEST_CASE("an IPv4-mapped socket address is an IPv4 endpoint") {
  sockaddr_storage storage;
  Endpoint::parse("[::ffff:9.8.7.6]:53")->to_sockaddr(storage);
  CHECK(Endpoint::from_sockaddr(storage) == *Endpoint::parse("9.8.7.6:53"));
}

TEST_CASE("a prefix masks its host bits") {
  CHECK(Prefix::parse("10.8.0.77/24")->to_string() == "10.8.0.0/24");
  CHECK(Prefix::parse("2001:db8:ffff::/33")->to_string() == "2001:db8:8000::/33");
  CHECK(Prefix::parse("10.1.2.3")->length() == 32);
  CHECK(Prefix::parse("::/0")->length() == 0);
  for (const char* bad : {"10.0.0.0/33", "::/129", "10.0.0.0/", "/8", "10.0.0.0/8/8", "10.0.0.0/-1"})
    CHECK_FALSE(Prefix::parse(bad));
}

TEST_CASE("a prefix contains what shares its bits, of its own family only") {
  const Prefix prefix = *Prefix::parse("10.8.128.0/17");
  CHECK(prefix.contains(*IpAddress::parse("10.8.128.0")));
  CHECK(prefix.contains(*IpAddress::parse("10.8.255.255")));
  CHECK_FALSE(prefix.contains(*IpAddress::parse("10.8.127.255")));
  CHECK_FALSE(Prefix::parse("0.0.0.0/0")->contains(*IpAddress::parse("::1")));
  CHECK(Prefix::parse("::/0")->contains(*IpAddress::parse("::1")));
  CHECK_FALSE(Prefix::parse("::/0")->contains(IpAddress()));
  CHECK(prefix.contains(*Prefix::parse("10.8.129.0/24")));
  CHECK_FALSE(prefix.contains(*Prefix::parse("10.8.0.0/16")));
}

TEST_CASE("flow keys that differ in one field hash apart") {
  const FlowKey key{*Endpoint::parse("10.8.0.2:1000"), *Endpoint::parse("1.2.3.4:80"), Protocol::tcp};
  std::set<std::size_t> hashes;
  const auto add = [&](FlowKey k) { hashes.insert(FlowKeyHash()(k)); };
  add(key);
  for (std::uint16_t port = 1; port <= 100; ++port) {
    FlowKey other = key;
    other.client.port = port;
    add(other);
    other = key;
    other.server.port = std::uint16_t(1000 + port);
    add(other);
  }
  FlowKey udp = key;
  udp.protocol = Protocol::udp;
  add(udp);
  CHECK(hashes.size() == 202);
  CHECK(FlowKeyHash()(key) == FlowKeyHash()(FlowKey(key)));
}
