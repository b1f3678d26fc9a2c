#include "wg/allowed_ips.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/lossy_wire.hpp"

#include <array>
#include <map>

using namespace culvert;
using base::IpAddress;
using base::Prefix;
using wg::AllowedIps;

namespace {
struct Table {
  AllowedIps ips;
  std::array<AllowedIps::Owner, 8> owners;
  ~Table() {
    for (auto& owner : owners) ips.remove_all(owner);
  }
  void insert(const char* prefix, int owner) {
    REQUIRE(ips.insert(*Prefix::parse(prefix), owners[std::size_t(owner)]));
  }
  int find(const char* address) const { return number(ips.find(*IpAddress::parse(address))); }
  int number(const AllowedIps::Owner* owner) const {
    return owner ? int(owner - owners.data()) : -1;
  }
};
}  // namespace

TEST_CASE("the longest prefix wins, in both families", "[wg][allowed]") {
  Table t;
  t.insert("192.168.4.0/24", 0);
  t.insert("192.168.4.4/32", 1);
  t.insert("192.168.0.0/16", 2);
  t.insert("192.95.5.64/27", 3);
  t.insert("192.95.5.65/27", 2);  // the same prefix once its host bits are gone: it moves
  t.insert("0.0.0.0/0", 4);
  t.insert("64.15.112.0/20", 5);
  t.insert("64.15.123.211/25", 6);
  t.insert("10.0.0.0/25", 0);
  t.insert("10.0.0.128/25", 1);
  t.insert("10.1.0.0/30", 0);
  t.insert("10.1.0.4/30", 1);
  t.insert("10.1.0.8/29", 2);
  t.insert("10.1.0.16/29", 3);
  t.insert("2607:5300:6006:6b00::c05f:543/128", 3);
  t.insert("2607:5300:6006:6b00::/64", 2);
  t.insert("::/0", 4);
  t.insert("2607:5300:6006:6b0::/56", 6);
  t.insert("2404:6800:4004:800:dead:beef:dead:beef/32", 5);
  const struct {
    const char* address;
    int owner;
  } checks[] = {
      {"192.168.4.20", 0},
      {"192.168.4.0", 0},
      {"192.168.4.4", 1},
      {"192.168.4.5", 0},
      {"192.168.200.182", 2},
      {"192.95.5.68", 2},
      {"192.95.5.96", 4},
      {"192.95.5.63", 4},
      {"64.15.116.26", 5},
      {"64.15.127.3", 5},
      {"64.15.123.1", 5},
      {"64.15.123.128", 6},
      {"64.15.123.129", 6},
      {"64.15.128.0", 4},
      {"10.0.0.52", 0},
      {"10.0.0.220", 1},
      {"10.1.0.2", 0},
      {"10.1.0.6", 1},
      {"10.1.0.10", 2},
      {"10.1.0.20", 3},
      {"10.1.0.24", 4},
      {"0.0.0.0", 4},
      {"255.255.255.255", 4},
      {"2607:5300:6006:6b00::c05f:543", 3},
      {"2607:5300:6006:6b00::c02e:1ee", 2},
      {"2607:5300:6006:6b01::1", 4},
      {"2607:5300:6006:6b0::1", 6},
      {"2607:5300:6006:6ff::1", 6},
      {"2607:5300:6006:7ff::1", 4},
      {"2404:6800:4004:806::1006", 5},
      {"2404:6800:1:2::3", 5},
      {"2404:6801::1", 4},
      {"::", 4},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 4},
  };
  for (const auto& check : checks) {
    INFO(check.address);
    CHECK(t.find(check.address) == check.owner);
  }
}

TEST_CASE("nothing matches outside every prefix", "[wg][allowed]") {
  Table t;
  CHECK(t.find("1.2.3.4") == -1);
  t.insert("1.0.0.0/8", 0);
  CHECK(t.find("1.255.255.255") == 0);
  CHECK(t.find("2.0.0.0") == -1);
  CHECK(t.find("100::") == -1);  // the same first byte in the other family
  CHECK(t.ips.find(IpAddress()) == nullptr);
}

TEST_CASE("an inserted prefix moves from the peer that held it", "[wg][allowed]") {
  Table t;
  t.insert("10.0.0.0/24", 0);
  t.insert("10.0.0.0/24", 1);
  CHECK(t.find("10.0.0.9") == 1);
  CHECK(t.owners[0].prefixes() == 0);
  CHECK(t.owners[1].prefixes() == 1);
  CHECK(t.ips.size() == 1);
}

TEST_CASE("removing a peer's prefixes uncovers what lay below", "[wg][allowed]") {
  Table t;
  t.insert("1.0.0.0/32", 0);
  t.insert("64.0.0.0/32", 0);
  t.insert("128.0.0.0/32", 0);
  t.insert("192.0.0.0/32", 0);
  t.insert("255.0.0.0/32", 0);
  t.insert("0.0.0.0/0", 1);
  t.ips.remove_all(t.owners[0]);
  for (const char* was : {"1.0.0.0", "64.0.0.0", "128.0.0.0", "192.0.0.0", "255.0.0.0"})
    CHECK(t.find(was) == 1);
  CHECK(t.ips.size() == 1);
}

TEST_CASE("a single prefix is removed only from its holder", "[wg][allowed]") {
  Table t;
  t.insert("192.168.0.0/16", 0);
  t.insert("192.168.0.0/24", 0);
  CHECK_FALSE(t.ips.remove(*Prefix::parse("192.168.0.0/24"), t.owners[1]));
  CHECK_FALSE(t.ips.remove(*Prefix::parse("192.168.0.0/20"), t.owners[0]));
  CHECK_FALSE(t.ips.remove(*Prefix::parse("192.168.0.0/32"), t.owners[0]));
  CHECK(t.find("192.168.0.1") == 0);
  CHECK(t.ips.remove(*Prefix::parse("192.168.0.0/24"), t.owners[0]));
  CHECK_FALSE(t.ips.remove(*Prefix::parse("192.168.0.0/24"), t.owners[0]));
  CHECK(t.find("192.168.0.1") == 0);  // by the /16
  CHECK(t.ips.remove(*Prefix::parse("192.168.0.0/16"), t.owners[0]));
  CHECK(t.find("192.168.0.1") == -1);
}

TEST_CASE("a trie 128 levels deep is built, searched and torn down", "[wg][allowed]") {
  Table t;
  const IpAddress ones = *IpAddress::parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  for (unsigned length = 0; length <= 128; ++length)
    REQUIRE(t.ips.insert(Prefix(ones, length), t.owners[length % 8]));
  CHECK(t.ips.find(ones) == &t.owners[0]);
  for (unsigned length = 128; length > 0; --length) {
    REQUIRE(t.ips.remove(Prefix(ones, length), t.owners[length % 8]));
    CHECK(t.ips.find(ones) == &t.owners[(length - 1) % 8]);
  }
}

TEST_CASE("a full table refuses a new prefix but still moves old ones", "[wg][allowed]") {
  AllowedIps ips(2);
  AllowedIps::Owner a, b;
  CHECK(ips.insert(*Prefix::parse("10.0.0.1"), a));
  CHECK(ips.insert(*Prefix::parse("10.0.0.2"), a));
  CHECK_FALSE(ips.insert(*Prefix::parse("10.0.0.3"), b));
  CHECK(ips.insert(*Prefix::parse("10.0.0.2"), b));
  CHECK(ips.find(*IpAddress::parse("10.0.0.2")) == &b);
  CHECK(ips.find(*IpAddress::parse("10.0.0.3")) == nullptr);
  ips.remove_all(a);
  CHECK(ips.insert(*Prefix::parse("10.0.0.3"), b));
  ips.remove_all(b);
  CHECK(ips.size() == 0);
}

TEST_CASE("an owner's prefixes can be listed", "[wg][allowed]") {
  Table t;
  t.insert("10.0.0.0/24", 0);
  t.insert("fd00::/48", 0);
  t.insert("10.0.0.7/32", 1);
  auto list = t.ips.prefixes_of(t.owners[0]);
  std::sort(list.begin(), list.end());
  REQUIRE(list.size() == 2);
  CHECK(list[0] == *Prefix::parse("10.0.0.0/24"));
  CHECK(list[1] == *Prefix::parse("fd00::/48"));
}

TEST_CASE("130560 prefixes of one peer go in and out", "[wg][allowed]") {
  AllowedIps ips;
  AllowedIps::Owner owner;
  for (std::uint32_t i = 0; i < 130'560; ++i)
    REQUIRE(ips.insert(Prefix(IpAddress::v4(0x0a000000 + i * 2), 31 + i % 2), owner));
  CHECK(ips.size() == 130'560);
  CHECK(ips.find(IpAddress::v4(0x0a000000 + 99'998 * 2)) == &owner);
  ips.remove_all(owner);
  CHECK(ips.size() == 0);
}

TEST_CASE("random inserts, moves and removals agree with a naive list", "[wg][allowed]") {
  test::SeededRandom random(11);
  Table t;
  std::map<Prefix, std::size_t> naive;
  const bool v6 = GENERATE(false, true);
  // Few distinct bits, so that prefixes nest and collide.
  const auto any_address = [&] {
    std::array<std::byte, 16> bytes{};
    for (std::size_t i = 0; i < (v6 ? 16 : 4); ++i)
      bytes[i] = std::byte(random.next() % 3 == 0 ? random.next() % 4 : 0);
    const std::span all(bytes);
    return v6 ? IpAddress::v6(all) : IpAddress::v4(all.first<4>());
  };
  const auto naive_find = [&](const IpAddress& address) {
    int best = -1;
    unsigned length = 0;
    for (const auto& [prefix, owner] : naive)
      if (prefix.contains(address) && prefix.length() >= length)
        best = int(owner), length = prefix.length();
    return best;
  };
  for (int round = 0; round < 3000; ++round) {
    const std::size_t owner = random.next() % t.owners.size();
    const Prefix prefix(any_address(), unsigned(random.next() % (v6 ? 129 : 33)));
    const auto action = random.next() % 20;
    if (action < 12) {
      REQUIRE(t.ips.insert(prefix, t.owners[owner]));
      naive[prefix] = owner;
    } else if (action < 19 && !naive.empty()) {
      auto victim = naive.lower_bound(prefix);
      if (victim == naive.end()) victim = naive.begin();
      REQUIRE(t.ips.remove(victim->first, t.owners[victim->second]));
      naive.erase(victim);
    } else if (action == 19 && random.next() % 8 == 0) {
      t.ips.remove_all(t.owners[owner]);
      std::erase_if(naive, [&](const auto& entry) { return entry.second == owner; });
    }
    REQUIRE(t.ips.size() == naive.size());
    for (int i = 0; i < 5; ++i) {
      const IpAddress address = any_address();
      REQUIRE(t.number(t.ips.find(address)) == naive_find(address));
    }
  }
}
