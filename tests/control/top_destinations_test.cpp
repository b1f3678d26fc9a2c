#include "control/top_destinations.hpp"

#include <map>
#include <random>

#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::control;

namespace {

base::IpAddress origin(std::uint32_t i) {
  return base::IpAddress::v4(0xc0000200u + i);
}

}  // namespace

TEST_CASE("what fits is exact") {
  TopDestinations top(3);
  top.add(5, origin(1), 10, 90, 1);
  top.add(5, origin(2), 1, 1, 1);
  top.add(5, origin(1), 0, 50, 0);
  top.add(6, origin(1), 7, 0, 1);
  const auto all = top.snapshot(5);
  REQUIRE(all.size() == 2);
  CHECK(all[0].address == origin(1));
  CHECK(all[0].up == 10);
  CHECK(all[0].down == 140);
  CHECK(all[0].flows == 1);
  CHECK(all[0].error == 0);
  CHECK(top.snapshot(6).size() == 1);
  CHECK(top.snapshot(7).empty());
}

TEST_CASE("beyond its counters the heavy ones stay and every error is within its bound") {
  constexpr std::size_t counters = 20;
  TopDestinations top(counters);
  std::mt19937 random(1);
  std::map<base::IpAddress, std::uint64_t> truth;
  std::uint64_t total = 0;
  for (int i = 0; i < 50000; ++i) {
    const auto to = std::uint32_t(random() % 2 ? random() % 5 : random() % 200);  // five are heavy
    const std::uint64_t bytes = 1 + random() % 1500;
    top.add(0, origin(to), bytes, 0, 1);
    truth[origin(to)] += bytes, total += bytes;
  }
  const auto all = top.snapshot(0);
  REQUIRE(all.size() == counters);
  std::uint64_t sum = 0;
  for (const Destination& each : all) {
    const std::uint64_t real = truth[each.address];
    CHECK(each.weight >= real);
    CHECK(each.weight - each.error <= real);
    CHECK(each.up + each.down <= real);
    CHECK(each.error <= total / counters);
    sum += each.weight;
  }
  CHECK(sum == total);
  for (const auto& [address, bytes] : truth) {
    if (bytes <= total / counters) continue;
    CHECK(std::ranges::find(all, address, &Destination::address) != all.end());
  }
}

TEST_CASE("a drain hands everything over once") {
  TopDestinations top(3);
  top.add(1, origin(1), 1, 0, 1);
  top.add(2, origin(2), 2, 0, 1);
  std::map<std::uint32_t, std::size_t> seen;
  top.drain([&](std::uint32_t slot, std::span<const Destination> of) { seen[slot] = of.size(); });
  CHECK(seen == std::map<std::uint32_t, std::size_t>{{1, 1}, {2, 1}});
  CHECK(top.snapshot(1).empty());
}

TEST_CASE("no counters, nothing remembered") {
  TopDestinations top(0);
  top.add(1, origin(1), 1, 0, 1);
  CHECK(top.snapshot(1).empty());
}
