// Questions over UDP: for each a fresh socket on a random port, connected to the server, so that
// only its datagrams come in and a refusal is told (RFC 5452, RFC 6056).
#pragma once

#include "base/ip.hpp"
#include "base/random.hpp"
#include "base/socket_poller.hpp"
#include "dns/upstream_exchange.hpp"

namespace culvert::dns {

class UdpExchanges {
 public:
  // A question that has been sent so many wrong replies goes on over TCP.
  static constexpr unsigned most_mismatches = 3;
  static constexpr std::size_t most_sockets = 4096;

  UdpExchanges(base::SocketPoller& poller, base::Random& random, const base::IpAddress& source4,
               const base::IpAddress& source6, ExchangeEvents& events) noexcept
      : poller_(poller), random_(random), source4_(source4), source6_(source6), events_(events) {}

  // False: there was no socket, or no route.
  bool send(Exchange& exchange, const base::Endpoint& to) noexcept;
  void close(Exchange& exchange) noexcept;
  void on_ready(Exchange& exchange) noexcept;
  bool crowded() const noexcept { return open_ >= most_sockets; }

 private:
  bool bind_random(int fd, base::Endpoint from) noexcept;
  bool receive(Exchange& exchange) noexcept;

  base::SocketPoller& poller_;
  base::Random& random_;
  const base::IpAddress source4_, source6_;
  ExchangeEvents& events_;
  std::size_t open_ = 0;
};

}  // namespace culvert::dns
