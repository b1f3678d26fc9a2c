#include "dns/upstream_udp.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "dns/upstream_server.hpp"

namespace culvert::dns {
namespace {

constexpr std::uint16_t first_port = 1024;
constexpr unsigned bind_tries = 4;
constexpr unsigned most_datagrams = 8;  // of one socket in one turn
constexpr std::size_t room = 4096;      // we announce 1232; what is longer is asked for over TCP

bool bind_to(int fd, const base::Endpoint& from) {
  sockaddr_storage address{};
  const socklen_t size = from.to_sockaddr(address);
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0;
}

}  // namespace

void Exchange::on_ready(std::uint32_t) noexcept {
  // A slot may be told of the socket it had before, in the turn in which that was closed.
  if (udp != nullptr && fd >= 0) udp->on_ready(*this);
}

// The kernel's own choice is from half as many ports (RFC 6056 section 3.2 wants all above 1023).
bool UdpExchanges::bind_random(int fd, base::Endpoint from) noexcept {
  for (unsigned i = 0; i < bind_tries; ++i) {
    from.port = std::uint16_t(first_port + random_.below(65536 - first_port));
    if (bind_to(fd, from)) return true;
    if (errno != EADDRINUSE && errno != EACCES) return false;
  }
  from.port = 0;
  return bind_to(fd, from);
}

bool UdpExchanges::send(Exchange& exchange, const base::Endpoint& to) noexcept {
  if (crowded()) return false;
  const bool v4 = to.address.is_v4();
  const int fd = ::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const base::IpAddress& source = v4 ? source4_ : source6_;
  const base::Endpoint from{source ? source : base::IpAddress::any(to.address.family()), 0};
  sockaddr_storage address{};
  const socklen_t size = to.to_sockaddr(address);
  std::array<std::byte, max_query> query;
  const std::size_t query_size = write(query, exchange.sent, exchange.flags);
  if (!bind_random(fd, from) ||
      ::connect(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      !poller_.add_for_reading(fd, exchange) ||
      ::send(fd, query.data(), query_size, MSG_NOSIGNAL) < 0) {
    ::close(fd);
    return false;
  }
  exchange.udp = this, exchange.fd = fd, exchange.mismatches = 0;
  ++open_;
  return true;
}

void UdpExchanges::close(Exchange& exchange) noexcept {
  if (exchange.fd < 0) return;
  ::close(exchange.fd);
  exchange.fd = -1, exchange.udp = nullptr;
  --open_;
}

void UdpExchanges::on_ready(Exchange& exchange) noexcept {
  const int fd = exchange.fd;
  for (unsigned i = 0; i < most_datagrams && exchange.fd == fd; ++i)
    if (!receive(exchange)) return;
}

// One datagram; false when there is none, or the exchange has ended.
bool UdpExchanges::receive(Exchange& exchange) noexcept {
  std::array<std::byte, room> buffer;
  const ssize_t n = ::recv(exchange.fd, buffer.data(), buffer.size(), MSG_TRUNC);
  if (n < 0) {
    if (errno == EINTR) return true;
    if (errno != EAGAIN) events_.on_failure(exchange, Failure::network);
    return false;
  }
  const base::Bytes reply(buffer.data(), std::min(std::size_t(n), buffer.size()));
  Fit found = fit(reply, exchange.sent, exchange.flags.edns);
  if (found == Fit::yes && std::size_t(n) > buffer.size()) found = Fit::truncated;
  if (found != Fit::no) {
    events_.on_reply(exchange, found, reply);
    return false;
  }
  exchange.server->figures().bogus();
  if (++exchange.mismatches < most_mismatches) return true;
  events_.on_spoofing(exchange);
  return false;
}

}  // namespace culvert::dns
