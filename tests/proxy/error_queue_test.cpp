#include "proxy/error_queue.hpp"

#include <cerrno>

#include "proxy/host_socket.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using netstack::IcmpError;

TEST_CASE("ICMP types become what the client is told") {
  CHECK(proxy::from_icmp4(3, 0) == IcmpError::net_unreachable);
  CHECK(proxy::from_icmp4(3, 1) == IcmpError::host_unreachable);
  CHECK(proxy::from_icmp4(3, 2) == IcmpError::protocol_unreachable);
  CHECK(proxy::from_icmp4(3, 3) == IcmpError::port_unreachable);
  CHECK(proxy::from_icmp4(3, 4) == IcmpError::too_big);
  for (const unsigned code : {9u, 10u, 13u})
    CHECK(proxy::from_icmp4(3, std::uint8_t(code)) == IcmpError::prohibited);
  CHECK(proxy::from_icmp4(11, 0) == IcmpError::ttl_exceeded);
  CHECK(proxy::from_icmp4(11, 1) == IcmpError::reassembly_timeout);
  CHECK_FALSE(proxy::from_icmp4(4, 0));
  CHECK_FALSE(proxy::from_icmp4(5, 0));
  CHECK(proxy::from_icmp6(1, 0) == IcmpError::net_unreachable);
  CHECK(proxy::from_icmp6(1, 1) == IcmpError::prohibited);
  CHECK(proxy::from_icmp6(1, 3) == IcmpError::host_unreachable);
  CHECK(proxy::from_icmp6(1, 4) == IcmpError::port_unreachable);
  CHECK(proxy::from_icmp6(2, 0) == IcmpError::too_big);
  CHECK(proxy::from_icmp6(3, 0) == IcmpError::ttl_exceeded);
  CHECK(proxy::from_icmp6(4, 1) == IcmpError::protocol_unreachable);
  CHECK_FALSE(proxy::from_icmp6(4, 0));
  CHECK_FALSE(proxy::from_icmp6(137, 0));
}

TEST_CASE("errors of a dial become what the client is told") {
  CHECK(proxy::from_errno(EHOSTUNREACH) == IcmpError::host_unreachable);
  CHECK(proxy::from_errno(ENETUNREACH) == IcmpError::net_unreachable);
  CHECK(proxy::from_errno(EACCES) == IcmpError::prohibited);
  CHECK(proxy::from_errno(EPERM) == IcmpError::prohibited);
  CHECK_FALSE(proxy::from_errno(ETIMEDOUT));
  CHECK_FALSE(proxy::from_errno(EMFILE));
  CHECK(proxy::is_local_shortage(EMFILE));
  CHECK(proxy::is_local_shortage(EADDRNOTAVAIL));
  CHECK_FALSE(proxy::is_local_shortage(ECONNREFUSED));
}

TEST_CASE("the error queue names the closed port, who said so and the datagram's target") {
  for (const char* loopback : {"127.0.0.1", "::1"}) {
    const auto address = *base::IpAddress::parse(loopback);
    base::Endpoint closed;
    {
      const auto holder = proxy::open_socket(address, SOCK_DGRAM);
      REQUIRE(proxy::bind_to(holder.get(), {address, 0}) == 0);
      sockaddr_storage bound{};
      socklen_t size = sizeof bound;
      REQUIRE(::getsockname(holder.get(), reinterpret_cast<sockaddr*>(&bound), &size) == 0);
      closed = base::Endpoint::from_sockaddr(bound);
    }
    const auto fd = proxy::open_socket(address, SOCK_DGRAM);
    proxy::set_receive_errors(fd.get(), address, true);
    sockaddr_storage to;
    const socklen_t size = closed.to_sockaddr(to);
    REQUIRE(::sendto(fd.get(), "hello", 5, 0, reinterpret_cast<sockaddr*>(&to), size) == 5);
    const auto error = proxy::next_socket_error(fd.get());
    REQUIRE(error);
    CHECK(error->icmp == IcmpError::port_unreachable);
    CHECK(error->offender == address);
    CHECK(error->target == closed);
    CHECK(error->payload_size == 5);
    CHECK_FALSE(proxy::next_socket_error(fd.get()));
  }
}

TEST_CASE("a datagram over the MTU is refused with the MTU when it may not be fragmented") {
  const auto address = *base::IpAddress::parse("127.0.0.1");
  const auto fd = proxy::open_socket(address, SOCK_DGRAM);
  proxy::set_receive_errors(fd.get(), address, true);
  proxy::set_dont_fragment(fd.get(), address, true);
  sockaddr_storage to;
  const socklen_t size = base::Endpoint{address, 9}.to_sockaddr(to);
  const std::string big(65507, 'x');
  const auto sent =
      ::sendto(fd.get(), big.data(), big.size(), 0, reinterpret_cast<sockaddr*>(&to), size);
  if (sent >= 0) {
    WARN("not tested: this loopback device has a larger MTU than a datagram");
    return;
  }
  CHECK(errno == EMSGSIZE);
  const auto error = proxy::next_socket_error(fd.get());
  REQUIRE(error);
  CHECK(error->icmp == IcmpError::too_big);
  CHECK(error->mtu >= 1280);
  CHECK_FALSE(error->offender);
}
