// Exchange: one question put to one server, and who waits for what comes of it. A question has
// several when it is asked again or of a second server. Slots are reused: nothing is allocated per
// question once as many have been under way.
#pragma once

#include <cstdint>

#include "base/socket_poller.hpp"
#include "base/time.hpp"
#include "dns/upstream_query.hpp"

namespace culvert::dns {

class Carrier;
class Server;
class UdpExchanges;
struct Exchange;
struct OpenQuestion;

enum class Failure : std::uint8_t {
  none,
  silence,   // nothing came
  network,   // no socket, refused, reset, TLS
  protocol,  // what came could not be believed
};

// Told of what comes of exchanges; it ends them by itself.
class ExchangeEvents {
 public:
  virtual ~ExchangeEvents() = default;
  // Any `fit` but `no`.
  virtual void on_reply(Exchange& exchange, Fit fit, base::Bytes message) noexcept = 0;
  virtual void on_failure(Exchange& exchange, Failure failure) noexcept = 0;
  // Over UDP nothing that came can be believed: somebody guesses.
  virtual void on_spoofing(Exchange& exchange) noexcept = 0;
  // Its connection went away under it, and it has not been asked again yet.
  virtual void on_lost(Exchange& exchange) noexcept = 0;
};

struct Exchange final : base::SocketPoller::Waiter {
  OpenQuestion* question = nullptr;  // null: the slot is free
  Server* server = nullptr;
  SentQuestion sent;
  QueryFlags flags;
  base::Time sent_at{};
  bool measured = false;       // its time is the server's latency: no connection had to be made
  bool asked_again = false;    // on a second connection, since the first was lost
  bool authenticated = false;  // the server's certificate was checked
  // Where it is: at most one of these.
  bool waits_for_address = false;
  UdpExchanges* udp = nullptr;
  Carrier* carrier = nullptr;
  // Of UDP:
  int fd = -1;
  unsigned mismatches = 0;
  // Of HTTP/2:
  std::int32_t stream = -1;

  void on_ready(std::uint32_t events) noexcept override;
};

}  // namespace culvert::dns
