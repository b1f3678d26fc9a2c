// Proxy: carries every flow of every client on by an ordinary host socket.
//
// It implements the stack's events: the dispatch that a reader looks for is in proxy.cpp. Each flow
// is an object of its own (tcp_flow, udp_flow, echo_flow); the flow table owns them, counts them
// against the limits and sweeps the idle ones.
//
// One thread, one io_context, which sees all host sockets as one descriptor (socket_poller). It
// says when, we make the system call: an idle flow owns no buffer.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/counters.hpp"
#include "base/socket_poller.hpp"
#include "base/time.hpp"
#include "dns/resolver.hpp"
#include "netstack/stack.hpp"
#include "proxy/client.hpp"
#include "proxy/egress_policy.hpp"
#include "proxy/flow_record.hpp"
#include "proxy/limits.hpp"

namespace culvert::proxy {

// [[forward]]: a host listen socket whose connections or datagrams go to a client.
struct Forward {
  int listen_fd = -1;  // bound (and listening, for TCP) by the supervisor; not owned
  base::Protocol protocol = base::Protocol::tcp;
  base::Endpoint to;  // inside the tunnel
};

class Proxy {
 public:
  struct Config {
    Limits limits;
    EgressRules egress;
    std::vector<base::Prefix> own;  // addresses of this host, tunnel prefixes
    std::vector<std::uint16_t> listen_ports;
    base::IpAddress source4, source6;  // egress.source_address; none = the kernel's choice
    bool refuse_with_icmp = false;  // a refused TCP connect: ICMP port unreachable instead of RST
    netstack::Stack::Config stack;
    // The time of the loop turn, for what begins at a host socket: no input() or tick() of the turn
    // may have come before. None = as the last call was given.
    std::function<base::Time()> clock;
    std::span<base::GroupControls> groups;  // what PeerControls::group counts in
    FlowRing* records = nullptr;            // where flow records go; null = nowhere
    base::Duration active_timeout = std::chrono::minutes(5);  // interim records of long flows
    std::function<base::WallTime()> wall_clock;               // for flow records
  };

  // `output` takes every inner packet made for the tunnel, during the call.
  using Output = std::function<void(const base::Pieces& packet)>;

  Proxy(boost::asio::io_context& io, Config config, Output output, base::Random& random,
        base::WorkerCounters& counters);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  Client& add_client(ClientConfig config, base::PeerCounters& counters, base::Time now);
  void remove_client(Client& client) noexcept;  // resets its flows
  // New addresses, policy and limits hold at once. Flows that they deny are reset; no other flow,
  // and no other client, notices. An address that was another client's moves to this one, and that
  // one's flows from it are reset.
  void update_client(Client& client, ClientConfig config);
  // The same of the global rules, and of the limits that are a worker's.
  void update_policy(EgressRules global, Limits limits);
  Client* find_client_by_slot(std::uint32_t slot) const noexcept;
  void add_forward(Forward forward);

  // Of all host sockets, for those of the resolver as well; flush() arms it.
  base::SocketPoller& poller() noexcept;
  // From now on the DNS of clients that have a dns::Client is answered by `resolver`, which gives
  // its answers to dns_answers(). It is flushed with the proxy; its ticks are the caller's.
  void serve_dns(dns::Resolver& resolver, dns::DnsCounters& counters,
                 const dns::Settings& settings);
  dns::Resolver::Events& dns_answers() noexcept;
  void update_dns(const dns::Settings& settings);

  // What is open now, with what it has carried so far (FlowRecord::End::none).
  using EachRecord = std::function<void(const FlowRecord&)>;
  void list_flows(const EachRecord& each) const;
  void list_flows(const Client& client, const EachRecord& each) const;

  // An inner packet from the tunnel.
  void input(base::Packet packet, base::Time now) noexcept;
  // Of a packet from client to client, which passes the proxy by: may its sender use the tunnel,
  // and may who it is for? A sender that may not is told so by input(); a packet for one that may
  // not is counted here.
  bool may_send(base::Bytes packet) noexcept;
  bool may_receive(base::Bytes packet) noexcept;
  // Once per loop turn: writes what the turn gathered for each host socket, then the stack's
  // output.
  void flush(base::Time now) noexcept;
  void tick(base::Time now) noexcept;
  base::Time next_deadline() const noexcept;

  // True if echo sockets are allowed here; the reason for the log if not.
  static bool echo_available(std::string* why);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert::proxy
