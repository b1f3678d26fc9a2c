// UpstreamAsker: the story of a question. It is put to a server; to another when that is late or
// fails; over TCP when the answer does not fit or somebody guesses; and its end is told once.
#pragma once

#include <span>

#include "dns/bootstrap.hpp"
#include "dns/upstream_choice.hpp"
#include "dns/upstream_question.hpp"
#include "dns/upstream_sets.hpp"
#include "dns/upstream_udp.hpp"

namespace culvert::dns {

class UpstreamAsker final : private ExchangeEvents {
 public:
  struct Parts {
    base::SocketPoller& poller;
    base::Random& random;
    TlsContext* tls;
    base::IpAddress source4, source6;
    const std::function<base::Time()>& now;
  };
  UpstreamAsker(Parts parts, std::span<UpstreamCounters> counters, const Settings& settings);
  ~UpstreamAsker() override;

  void ask(const Asking::Ask& what, Asking::Done done);
  ServerSets& sets() noexcept { return sets_; }
  void tick(base::Time now) noexcept;
  base::Time next_deadline() const noexcept;
  void flush() noexcept;

 private:
  void begin(OpenQuestion& question, const Name& name, std::uint16_t type,
             std::shared_ptr<const ServerSet> set, Asking::Done done);
  void go_on(OpenQuestion& question, Occasion occasion, base::Time now) noexcept;
  bool start(OpenQuestion& question, Server& server, base::Time now) noexcept;
  bool launch(Exchange& exchange) noexcept;
  void resume(Server& server) noexcept;
  void end(Exchange& exchange) noexcept;
  void leave(Exchange& exchange) noexcept;
  void accept(Exchange& exchange, base::Bytes message) noexcept;
  bool put_aside(Exchange& exchange, base::Bytes message, base::Time now) noexcept;
  void finish(OpenQuestion& question, const Asking::Reply& reply) noexcept;
  void give_up(OpenQuestion& question) noexcept;
  void on_time(OpenQuestion& question, base::Time now) noexcept;

  void on_reply(Exchange& exchange, Fit fit, base::Bytes message) noexcept override;
  void on_failure(Exchange& exchange, Failure failure) noexcept override;
  void on_spoofing(Exchange& exchange) noexcept override;
  void on_lost(Exchange& exchange) noexcept override;

  BufferedRandom random_;
  Surroundings around_;
  UdpExchanges udp_;
  Slots<OpenQuestion> questions_;
  Slots<Exchange> exchanges_;
  QuestionHeap heap_;
  Choice choice_;
  ServerSets sets_;
  Bootstrap bootstrap_;
};

}  // namespace culvert::dns
