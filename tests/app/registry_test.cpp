// Who has which slot, name, key and address; what a reload changes.
#include "app/registry.hpp"

#include "app/differences.hpp"
#include "app/group_places.hpp"
#include "app/policy_numbers.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using app::Registry;
using control::PeerEntry;
using control::Source;

namespace {

wg::PublicKey key(int number) {
  wg::PublicKey made;
  made.bytes[0] = std::byte(number);
  made.bytes[1] = std::byte(number >> 8);
  return made;
}

base::Prefix prefix(const char* text) {
  return *base::Prefix::parse(text);
}

PeerEntry entry(int number, const char* name, std::initializer_list<const char*> addresses) {
  PeerEntry made;
  made.name = name;
  made.public_key = key(number);
  for (const char* each : addresses) made.allowed_ips.push_back(prefix(each));
  return made;
}

std::string holder(const Registry& registry, const char* address) {
  const control::Peer* peer = registry.holder(prefix(address));
  return peer ? peer->entry.name : "";
}

std::vector<std::string> fields(const std::vector<control::FieldProblem>& problems) {
  std::vector<std::string> all;
  for (const auto& each : problems) all.push_back(each.field);
  return all;
}

std::shared_ptr<const proxy::EgressRules> rules(const char* allowed) {
  return std::make_shared<const proxy::EgressRules>(
      proxy::EgressRules{{*proxy::EgressRule::parse(allowed)}, {}});
}

}  // namespace

TEST_CASE("a peer is found by key, name, slot and address, and after its removal by none") {
  Registry registry(8, 3);
  const auto& a = registry.add(entry(1, "a", {"10.8.0.2/32", "fd08::2/128"}), Source::file, {});
  const auto& b = registry.add(entry(2, "b", {"10.8.0.3/32"}), Source::database, "{}");
  CHECK(registry.size() == 2);
  CHECK(registry.find(key(1)) == &a);
  CHECK(std::as_const(registry).find("b") == &b);
  CHECK(registry.at(b.slot) == &b);
  CHECK(a.worker == wg::owner_of(key(1), 3));
  CHECK(holder(registry, "fd08::2/128") == "a");
  CHECK(registry.peers() == std::vector<const control::Peer*>{&a, &b});

  const auto slot = a.slot;
  registry.remove(slot);
  CHECK(registry.size() == 1);
  CHECK_FALSE(registry.find(key(1)));
  CHECK_FALSE(std::as_const(registry).find("a"));
  CHECK_FALSE(registry.at(slot));
  CHECK(holder(registry, "10.8.0.2/32").empty());
  CHECK(registry.peers() == std::vector<const control::Peer*>{&b});
}

TEST_CASE("a slot is taken again only when it was given back, and the last of all") {
  Registry registry(3, 1);
  for (int i = 0; i < 3; ++i)
    registry.add(entry(i + 1, std::to_string(i).c_str(), {}), Source::file, {});
  CHECK(registry.full());
  registry.remove(1);
  registry.remove(0);
  CHECK(registry.full());  // the workers still have them
  registry.give_back(0);
  CHECK_FALSE(registry.full());
  registry.give_back(1);
  CHECK(registry.add(entry(7, "x", {}), Source::file, {}).slot == 0);
  CHECK(registry.add(entry(8, "y", {}), Source::file, {}).slot == 1);
  CHECK(registry.full());
  CHECK_FALSE(registry.at(99));
}

TEST_CASE("unused slots come before those that somebody had") {
  Registry registry(4, 1);
  registry.add(entry(1, "a", {}), Source::file, {});
  registry.remove(0);
  registry.give_back(0);
  CHECK(registry.add(entry(2, "b", {}), Source::file, {}).slot == 1);
}

TEST_CASE("what another peer has is named field by field, what the peer itself has is not") {
  Registry registry(8, 1);
  const auto slot = registry.add(entry(1, "a", {"10.8.0.2/32"}), Source::file, {}).slot;
  registry.add(entry(2, "b", {"10.8.0.3/32", "10.9.0.0/16"}), Source::file, {});
  CHECK(registry.conflicts(entry(3, "c", {"10.8.0.4/32", "10.9.1.0/24"})).empty());
  CHECK(fields(registry.conflicts(entry(1, "b", {"10.8.0.9/32", "10.9.0.0/16"}))) ==
        std::vector<std::string>{"public_key", "name", "allowed_ips/1"});
  CHECK(registry.conflicts(entry(1, "a", {"10.8.0.2/32"}), slot).empty());
  CHECK(fields(registry.conflicts(entry(1, "a", {"10.8.0.3/32"}), slot)) ==
        std::vector<std::string>{"allowed_ips/0"});
  CHECK(registry.free_name("c") == "c");
  CHECK(registry.free_name("a") == "a-2");
}

TEST_CASE("two peers swap names and addresses in either order") {
  for (const bool first_a : {true, false}) {
    Registry registry(8, 1);
    const auto a = registry.add(entry(1, "a", {"10.8.0.2/32"}), Source::file, {}).slot;
    const auto b = registry.add(entry(2, "b", {"10.8.0.3/32"}), Source::file, {}).slot;
    const auto change_a = [&] { registry.change(a, entry(1, "b", {"10.8.0.3/32"})); };
    const auto change_b = [&] { registry.change(b, entry(2, "a", {"10.8.0.2/32"})); };
    if (first_a)
      change_a(), change_b();
    else
      change_b(), change_a();
    CHECK(std::as_const(registry).find("a")->slot == b);
    CHECK(std::as_const(registry).find("b")->slot == a);
    CHECK(registry.holder(prefix("10.8.0.2/32"))->slot == b);
    CHECK(registry.holder(prefix("10.8.0.3/32"))->slot == a);
    CHECK(registry.size() == 2);
  }
}

TEST_CASE("a route that moved is not taken away by the one that had it") {
  app::PeerRoutes routes;
  routes.add(prefix("10.8.0.0/24"), {1, 0});
  routes.add(prefix("10.8.0.0/24"), {2, 1});
  routes.remove(prefix("10.8.0.0/24"), 1);
  CHECK(routes.find(*base::IpAddress::parse("10.8.0.9")) == app::PeerRoute{2, 1});
  CHECK(routes.holder(prefix("10.8.0.0/24")) == app::PeerRoute{2, 1});
  CHECK_FALSE(routes.holder(prefix("10.8.0.0/25")));
  routes.remove(prefix("10.8.0.0/24"), 2);
  CHECK_FALSE(routes.find(*base::IpAddress::parse("10.8.0.9")));
}

TEST_CASE("groups keep their places, and a freed place is said when another gets it") {
  app::GroupPlaces places;
  const auto groups = [](std::initializer_list<const char*> names) {
    std::map<std::string, control::GroupConfig> made;
    for (const char* name : names) made[name].name = name;
    return made;
  };
  CHECK(places.set(groups({"a", "b", "c"})) == std::vector<std::size_t>{0, 1, 2});
  CHECK(places.set(groups({"c", "a"})).empty());
  CHECK(places.place_of("c") == 2u);
  CHECK_FALSE(places.place_of("b"));
  CHECK_FALSE(places.place_of(""));
  CHECK(places.list()[1].name.empty());
  CHECK(places.set(groups({"a", "c", "d", "e"})) == std::vector<std::size_t>{1, 3});
  CHECK(places.place_of("c") == 2u);
  CHECK(places.place_of("d") == 1u);
}

TEST_CASE("shared rules have one number, which is never given again") {
  app::RuleNumbers numbers;
  auto first = rules("10.0.0.0/8");
  const auto second = rules("10.1.0.0/16");
  CHECK(numbers.number_of(nullptr) == 0);
  CHECK(numbers.number_of(first) == 1);
  CHECK(numbers.number_of(second) == 2);
  CHECK(numbers.number_of(first) == 1);
  CHECK(numbers.find(2) == second);
  CHECK(numbers.prune().empty());
  first.reset();
  CHECK(numbers.prune() == std::vector<std::uint64_t>{1});
  CHECK_FALSE(numbers.find(1));
  CHECK(numbers.number_of(rules("10.2.0.0/16")) == 3);
}

TEST_CASE("a difference of a peer is in the part that changed and no other") {
  const auto is = [](auto change) {
    PeerEntry was = entry(1, "a", {"10.8.0.2/32"}), now = entry(1, "a", {"10.8.0.2/32"});
    change(now);
    const app::PeerDifference d = app::difference(was, now);
    return std::vector<bool>{d.name,      d.preshared_key, d.allowed_ips, d.endpoint,
                             d.keepalive, d.client,        d.accounts};
  };
  using Bits = std::vector<bool>;
  CHECK(is([](PeerEntry&) {}) == Bits{0, 0, 0, 0, 0, 0, 0});
  CHECK(is([](PeerEntry& e) { e.place = "elsewhere", e.line = 9; }) == Bits{0, 0, 0, 0, 0, 0, 0});
  CHECK(is([](PeerEntry& e) { e.name = "b"; }) == Bits{1, 0, 0, 0, 0, 0, 0});
  CHECK(is([](PeerEntry& e) { e.preshared_key.mutable_bytes()[3] = std::byte{1}; }) ==
        Bits{0, 1, 0, 0, 0, 0, 0});
  CHECK(is([](PeerEntry& e) { e.allowed_ips.clear(); }) == Bits{0, 0, 1, 0, 0, 0, 0});
  CHECK(is([](PeerEntry& e) { e.endpoint = base::Endpoint::parse("192.0.2.1:5"); }) ==
        Bits{0, 0, 0, 1, 0, 0, 0});
  CHECK(is([](PeerEntry& e) { e.persistent_keepalive = std::chrono::seconds(1); }) ==
        Bits{0, 0, 0, 0, 1, 0, 0});
  CHECK(is([](PeerEntry& e) { e.policy.egress = rules("10.0.0.0/8"); }) ==
        Bits{0, 0, 0, 0, 0, 1, 0});
  CHECK(is([](PeerEntry& e) { e.policy.limits.tcp_flows = 1; }) == Bits{0, 0, 0, 0, 0, 1, 0});
  CHECK(is([](PeerEntry& e) { e.policy.down = 1; }) == Bits{0, 0, 0, 0, 0, 0, 1});
  CHECK(is([](PeerEntry& e) { e.group = "g"; }) == Bits{0, 0, 0, 0, 0, 1, 1});
  // The same rules, read a second time; and none, said in two ways.
  PeerEntry was = entry(1, "a", {}), now = entry(1, "a", {});
  was.policy.egress = rules("10.0.0.0/8");
  now.policy.egress = rules("10.0.0.0/8");
  CHECK_FALSE(app::difference(was, now).any());
  was.policy.egress = nullptr;
  now.policy.egress = std::make_shared<const proxy::EgressRules>();
  CHECK_FALSE(app::difference(was, now).any());
}

TEST_CASE("what cannot change while the server runs is named and left") {
  app::Config was, now;
  CHECK(app::difference(was, now).live.empty());
  CHECK(app::difference(was, now).need_restart.empty());
  now.mtu = 1280;
  now.listen = {{*base::IpAddress::parse("127.0.0.1"), 5}};
  now.state_dir = "/elsewhere";
  now.limits.udp_idle = std::chrono::seconds(7);
  now.log_level = base::log::Level::debug;
  now.groups["g"].name = "g";
  was.groups["old"].name = "old";
  const auto differs = app::difference(was, now);
  CHECK(differs.live ==
        std::vector<std::string>{"limits", "server.log_level", "group.g", "group.old"});
  CHECK(differs.need_restart ==
        std::vector<std::string>{"server.listen", "server.mtu", "server.state_dir"});
  app::take_live_settings(was, now);
  CHECK(was.limits.udp_idle == std::chrono::seconds(7));
  CHECK(was.groups.contains("g"));
  CHECK_FALSE(was.groups.contains("old"));
  CHECK(was.mtu == app::Config{}.mtu);
}
