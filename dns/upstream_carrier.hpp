// Carrier: one connection to a server with the questions that go over it at the same time. What
// TCP, TLS and HTTPS have in common: opening, idling, being lost. How questions and answers lie in
// the stream of bytes is said by StreamCarrier and HttpsCarrier.
#pragma once

#include <functional>
#include <vector>

#include "base/ip.hpp"
#include "dns/upstream_connection.hpp"
#include "dns/upstream_exchange.hpp"

namespace culvert::dns {

// What every server works with.
struct Surroundings {
  base::SocketPoller& poller;
  base::Random& random;
  ExchangeEvents& events;
  TlsContext* tls;  // null: TLS fails
  base::IpAddress source4, source6;
  const std::function<base::Time()>& now;
};

class Carrier : public Connection::Owner {
 public:
  static constexpr std::size_t most_exchanges = 256;
  static constexpr base::Duration connect_timeout = std::chrono::seconds(3);

  Carrier(Server& server, Surroundings& around, std::unique_ptr<TlsSession> tls,
          base::Duration idle_timeout) noexcept;
  ~Carrier() override;

  void start() noexcept;
  bool takes() const noexcept {
    return !gone_ && !broken_ && !draining_ && exchanges_.size() < most_exchanges;
  }
  bool is_open() const noexcept { return was_open_; }
  void ask(Exchange& exchange) noexcept;
  void forget(Exchange& exchange, base::Time now) noexcept;
  // Nothing came since `sent`: it takes no more questions.
  void suspect(base::Time sent) noexcept;

  void flush() noexcept;
  void tick(base::Time now) noexcept;
  base::Time next_deadline() const noexcept;
  bool gone() const noexcept { return gone_; }  // may be destroyed at the end of the turn

  void on_open() noexcept override;
  void on_bytes(base::Bytes bytes) noexcept override;
  void on_closed() noexcept override { lose(Failure::network); }

 protected:
  virtual void opened() noexcept {}
  virtual void send(Exchange& exchange) noexcept = 0;
  virtual void forgotten(Exchange&) noexcept {}
  virtual void received(base::Bytes bytes) noexcept = 0;
  virtual void before_flush() noexcept {}
  // What ended while it was flushed is told in the next tick(): whoever is told may ask again, and
  // that adds connections to those that are being flushed.
  virtual bool has_ended() const noexcept { return false; }
  virtual void tell_ended() noexcept {}

  // It has a reply, or failed alone: it is not carried any more.
  void reply(Exchange& exchange, Fit fit, base::Bytes message) noexcept;
  void fail(Exchange& exchange, Failure failure) noexcept;
  void lose_one(Exchange& exchange) noexcept;    // not dealt with by the server: asked elsewhere
  void drain() noexcept { draining_ = true; }    // takes no more questions
  void break_off() noexcept { broken_ = true; }  // closed in the next tick()

  Server& server_;
  Surroundings& around_;
  Connection connection_;
  std::vector<Exchange*> exchanges_;

 private:
  void lose(Failure failure) noexcept;
  void remove(Exchange& exchange) noexcept;

  const base::Duration idle_timeout_;
  base::Time started_, idle_since_, last_read_{};
  bool was_open_ = false, draining_ = false, broken_ = false, gone_ = false;
};

}  // namespace culvert::dns
