// One connection to an upstream: when it counts as open.
#include "dns/upstream_connection.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/support/catch.hpp"

using namespace culvert;

namespace {

struct Owner final : dns::Connection::Owner {
  void on_open() noexcept override { ++opened; }
  void on_bytes(base::Bytes) noexcept override {}
  void on_closed() noexcept override { ++closed; }
  unsigned opened = 0, closed = 0;
};

// A listener on the loopback whose queue is full: the kernel answers no further SYN.
class Unanswering {
 public:
  Unanswering() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage address{};
    socklen_t size = base::Endpoint{*base::IpAddress::parse("127.0.0.1"), 0}.to_sockaddr(address);
    REQUIRE(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener_.get(), 0) == 0);
    REQUIRE(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    at_ = base::Endpoint::from_sockaddr(address);
    filler_ = base::FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(filler_.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
  }
  const base::Endpoint& at() const { return at_; }

 private:
  base::FileDescriptor listener_, filler_;
  base::Endpoint at_;
};

}  // namespace

TEST_CASE("an error that is not there yet does not make a connection open") {
  const Unanswering server;
  boost::asio::io_context io;
  base::SocketPoller poller(io);
  Owner owner;
  dns::Connection connection(poller, nullptr, owner);
  REQUIRE(connection.start(server.at(), {}));
  connection.on_ready(EPOLLERR);
  CHECK_FALSE(connection.is_open());
  CHECK(owner.opened == 0);
  CHECK(owner.closed == 0);
}
