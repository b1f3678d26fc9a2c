// What the parts of one Proxy share. Built by Proxy, referenced by every flow.
#pragma once

#include <boost/asio/io_context.hpp>
#include <unordered_map>

#include "base/log.hpp"
#include "base/socket_poller.hpp"
#include "netstack/stack.hpp"
#include "proxy/dns_door.hpp"
#include "proxy/down_buffer.hpp"
#include "proxy/flow_reporter.hpp"
#include "proxy/flow_table.hpp"
#include "proxy/proxy.hpp"
#include "proxy/udp_batch.hpp"

namespace culvert::proxy {

// Remembers what leads_to_this_host() said for a short time.
class HereCache {
 public:
  bool leads_here(const base::IpAddress& target, base::Time now) noexcept;

 private:
  static constexpr std::size_t max_entries = 8192;
  static constexpr auto lifetime = std::chrono::seconds(10);
  struct Entry {
    bool here;
    base::Time until;
  };
  std::unordered_map<base::IpAddress, Entry, base::IpAddressHash> entries_;
};

struct Context {
  Context(boost::asio::io_context& io_context, Proxy::Config c, base::WorkerCounters& counted,
          base::Time start)
      : io(io_context),
        config(std::move(c)),
        counters(counted),
        policy(config.egress, config.own, config.listen_ports),
        poller(io_context),
        shaper(config.groups),
        reporter(config, counted),
        table(config.limits, counted, start),
        given_(start) {}

  // Counts what is refused to a client, or dropped of its packets.
  void deny(ClientState& client, base::Drop why, std::uint64_t count = 1) noexcept;
  // Does the policy of now allow what it allowed before? `client_end` is whose it was.
  bool may_go_on(const ClientState& client, const base::IpAddress& client_end,
                 const base::Endpoint& target, base::Protocol protocol) const noexcept;
  // Both checks of the egress policy; counts a refusal.
  bool may_reach(ClientState& client, const base::Endpoint& target,
                 base::Protocol protocol) noexcept;
  // What keeps a client from a target, if anything: a way around its DNS, the egress policy, or, of
  // what it opens anew, that its DNS never named the address. Counts it.
  enum class Opening : std::uint8_t { anew, goes_on };
  std::optional<netstack::IcmpError> refuses(ClientState& client, const base::Endpoint& target,
                                             base::Protocol protocol, Opening opening) noexcept;
  // The name under which the client was told of an address; "" if it was not, or if its names are
  // not to be written down.
  std::string domain_of(const ClientState& client, const base::IpAddress& address) const noexcept;
  // May the client's datagram of so many bytes pass its limits? Counts one that may not.
  bool may_pass(ClientState& client, Direction direction, std::size_t bytes) noexcept;
  // Sends what the datagram flows gathered; the batch is empty afterwards.
  void flush_datagrams() noexcept;
  const base::IpAddress& source_for(const base::IpAddress& target) const noexcept {
    return target.is_v4() ? config.source4 : config.source6;
  }

  // Of this loop turn.
  base::Time now() const noexcept { return config.clock ? config.clock() : given_; }
  void set_now(base::Time now) noexcept { given_ = now; }

  boost::asio::io_context& io;
  Proxy::Config config;
  base::WorkerCounters& counters;
  EgressPolicy policy;
  netstack::Stack* stack = nullptr;
  ChunkPool chunks;
  UdpBatch batch;
  UdpReceiver receiver;
  HereCache here;
  base::SocketPoller poller;
  Shaper shaper;
  FlowReporter reporter;
  base::log::Limiter log_limit{std::chrono::seconds(10)};
  bool echo_said = false;
  FlowTable table;
  Gate gate{*this};
  DnsDoor dns{*this};

 private:
  bool refuses_bypass(ClientState& client, const base::Endpoint& target,
                      base::Protocol protocol) noexcept;
  bool refuses_unnamed(ClientState& client, const base::Endpoint& target,
                       base::Protocol protocol) noexcept;

  base::Time given_;
};

}  // namespace culvert::proxy
