// Server: one upstream: its addresses, its connections, its figures, and what it turned out not to
// be able to do.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dns/upstream_carrier.hpp"
#include "dns/upstream_figures.hpp"
#include "dns/upstreams.hpp"

namespace culvert::dns {

class Server : public std::enable_shared_from_this<Server> {
 public:
  Server(UpstreamAddress address, UpstreamCounters* counters, Surroundings& around);
  ~Server();

  const UpstreamAddress& address() const noexcept { return address_; }
  const std::string& text() const noexcept { return text_; }
  Figures& figures() noexcept { return figures_; }
  std::uint8_t place() const noexcept { return place_; }
  void set_place(std::uint8_t place, UpstreamCounters* counters) noexcept;
  // No longer configured, or in the clear where that is not allowed: no question begins here.
  bool retired() const noexcept { return retired_; }
  void set_retired(bool retired) noexcept { retired_ = retired; }

  // Addresses: given, or looked up and good until some time. Old ones stay until there are new.
  bool has_address() const noexcept { return !addresses_.empty(); }
  base::Endpoint endpoint() const noexcept { return {addresses_[current_], address_.port}; }
  bool next_address() noexcept;  // false: there is no other
  bool wants_look_up(base::Time now) const noexcept;
  bool looking_up() const noexcept { return looking_up_; }
  void look_up_begun() noexcept { looking_up_ = true; }
  void look_up_ended(std::vector<base::IpAddress> found, base::Time until) noexcept;
  std::vector<Exchange*>& waiting() noexcept { return waiting_; }

  // 0x20 and EDNS are left out for an hour where the server does not keep the case, or refuses OPT.
  // Without 0x20 a guess of who is not on the path is easier, so it is logged and counted.
  bool mixes_case(base::Time now) const noexcept { return now >= plain_case_until_; }
  void broke_case(base::Time now) noexcept;
  void kept_case() noexcept { case_broken_ = 0; }
  bool takes_edns(base::Time now) const noexcept { return now >= no_edns_until_; }
  void refused_edns(base::Time now) noexcept { no_edns_until_ = now + pause; }

  // Over a connection: one that is there, or a new one. False: there can be none.
  bool carry(Exchange& exchange) noexcept;
  // Then that was for us to bear, and no failure of the server's.
  bool crowded() const noexcept { return carriers_.size() >= most_connections; }
  void note_tls(const std::string& why) noexcept;  // logged, once a minute
  void trust_changed() noexcept;                   // no connection from before is used any more

  void flush() noexcept;  // end of a turn
  void tick(base::Time now) noexcept;
  base::Time next_deadline() const noexcept;
  bool idle() const noexcept { return carriers_.empty() && waiting_.empty(); }

 private:
  static constexpr base::Duration pause = std::chrono::hours(1);
  static constexpr unsigned most_case_broken = 3;
  static constexpr std::size_t most_connections = 8;
  Carrier* add_carrier() noexcept;

  const UpstreamAddress address_;
  const std::string text_;
  Surroundings& around_;
  Figures figures_;
  std::uint8_t place_ = 0;
  bool retired_ = false, looking_up_ = false;
  std::vector<base::IpAddress> addresses_;
  std::size_t current_ = 0;
  base::Time addresses_until_ = base::never, look_up_again_{};
  std::vector<Exchange*> waiting_;  // for an address
  unsigned case_broken_ = 0;
  base::Time plain_case_until_{}, no_edns_until_{}, tls_noted_{};
  std::unique_ptr<TlsPeer> tls_;
  std::vector<std::unique_ptr<Carrier>> carriers_;
};

// Of a policy or route. Fallbacks are of the global set only: a route's or a policy's questions are
// not for others to see.
struct ServerSet {
  std::vector<std::shared_ptr<Server>> first, fallback;
};

}  // namespace culvert::dns
