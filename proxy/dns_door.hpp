// DnsDoor: where the DNS of clients comes in and goes out again, without any host socket. What is
// answered is the resolver's business; the door brings questions to it and its answers back, from
// the address that was asked.
//
//   UDP   on_udp -> ask() -> Resolver::ask ... Events::answer -> Stack::send_udp
//   TCP   on_syn -> accept() -> DnsStream, the same way (dns_stream.hpp)
//
// Port 53 of every destination is the resolver's, but for Settings::pass; port 53 of the tunnel's
// own addresses is in any case. Answers are no payload of an origin: no rate of a client holds for
// them, and what they cost is counted with the inner packets.
#pragma once

#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "dns/counters.hpp"
#include "dns/resolver.hpp"
#include "netstack/stack.hpp"

namespace culvert::proxy {

struct ClientState;
struct Context;
class DnsStream;

class DnsDoor final : public dns::Resolver::Events {
 public:
  explicit DnsDoor(Context& context) noexcept;
  ~DnsDoor() override;

  // Until then nothing is taken.
  void open(dns::Resolver& resolver, dns::DnsCounters& counters, const dns::Settings& settings);
  void set_settings(const dns::Settings& settings);
  dns::Resolver* resolver() const noexcept { return resolver_; }
  dns::DnsCounters* counters() const noexcept { return counters_; }

  // Is this datagram or connection, of a client that is not stopped, for the resolver?
  bool takes(const ClientState& client, const base::FlowKey& key) const noexcept;
  bool passes(const base::IpAddress& destination) const noexcept;  // Settings::pass
  void ask(ClientState& client, const netstack::UdpDatagram& query) noexcept;
  void accept(ClientState& client, netstack::PendingSyn syn) noexcept;

  // Once per turn, before the stack is flushed: questions on connections, a bounded number, a few
  // of each connection at a time.
  void serve() noexcept;
  void collect() noexcept;                          // at the end of a turn
  void forget(const ClientState& client) noexcept;  // resets its connections
  std::size_t streams() const noexcept { return streams_.size(); }

  void answer(const dns::Asker& asker, base::Bytes message) noexcept override;
  void no_answer(const dns::Asker& asker) noexcept override;

 private:
  friend class DnsStream;
  void leave(DnsStream& stream) noexcept;
  void serve_later(DnsStream& stream) noexcept;

  Context& context_;
  dns::Resolver* resolver_ = nullptr;
  dns::DnsCounters* counters_ = nullptr;
  bool intercept_ = false;
  std::size_t most_streams_ = 0;  // of one client
  std::vector<base::Prefix> pass_;
  std::uint64_t last_stream_ = 0;
  std::unordered_map<std::uint64_t, std::unique_ptr<DnsStream>> streams_;
  std::vector<std::unique_ptr<DnsStream>> left_;
  std::deque<std::uint64_t> line_;  // of connections with questions to be read
  std::size_t unacknowledged_ = 0;  // bytes of answers on all streams
};

}  // namespace culvert::proxy
