#include "tests/proxy/world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;

TEST_CASE(
    "a ping is answered by the origin itself, or is unreachable where the system forbids it") {
  World world;
  const ByteVector payload = pattern(56);
  world.inject(build_echo(ip("10.8.0.2"), ip("127.0.0.1"), 0x1234, 7, payload));
  const auto got = world.wait_icmp();
  REQUIRE(got);
  if (proxy::Proxy::echo_available(nullptr)) {
    CHECK(got->icmp->type == 0);
    CHECK(got->icmp->identifier() == 0x1234);
    CHECK(got->icmp->sequence() == 7);
    CHECK(std::equal(payload.begin(), payload.end(), got->icmp->payload.begin(),
                     got->icmp->payload.end()));
    CHECK(got->ip.source == ip("127.0.0.1"));
  } else {
    CHECK(got->icmp->type == 3);
    CHECK(got->icmp->code == 1);
    CHECK(world.drops(base::Drop::echo_unavailable) == 1);
  }
}

TEST_CASE("pings over the rate are dropped and counted") {
  World world;
  for (int i = 0; i < 200; ++i)
    world.inject(build_echo(ip("10.8.0.2"), ip("127.0.0.1"), 1, std::uint16_t(i), {}));
  CHECK(world.drops(base::Drop::echo_rate) == 150);
}

TEST_CASE("a ping to a denied address is answered prohibited") {
  World world;
  world.inject(build_echo(ip("10.8.0.2"), ip("10.1.2.3"), 1, 1, {}));
  const auto got = world.wait_icmp();
  REQUIRE(got);
  CHECK(got->icmp->code == 13);
}
