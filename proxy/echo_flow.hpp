// EchoFlow: the pings of one client identifier, sent on by an unprivileged ICMP socket (Linux ping
// sockets, allowed by net.ipv4.ping_group_range). The kernel chooses the identifier outside; ours
// is put back on the way in. ICMP errors come from the error queue and quote the client's own
// request, so that `traceroute -I` works. No reply is ever made up.
#pragma once

#include <array>
#include <vector>

#include "netstack/stack.hpp"
#include "proxy/flow.hpp"
#include "proxy/flow_reporter.hpp"
#include "proxy/host_socket.hpp"

namespace culvert::proxy {

struct SocketError;

class EchoFlow final : public Flow {
 public:
  EchoFlow(Context& context, ClientState& client, const base::Endpoint& from, FileDescriptor host);

  static void carry(Context& context, ClientState& client,
                    const netstack::EchoRequest& request) noexcept;

  void close() noexcept override;
  void on_turn() noexcept override {}
  void on_ready(std::uint32_t events) noexcept override;
  base::Time on_deadline(base::Time now) noexcept override;
  void on_policy() noexcept override;
  void each_record(const Proxy::EachRecord& each) const override;

 private:
  // A request that may still fail; the last ones are kept.
  struct Sent {
    base::IpAddress to;
    std::uint16_t sequence = 0;
    netstack::Quote quote;
  };
  static constexpr std::size_t max_sent = 64;
  // Whom it pings, for the records; the last ones are kept.
  struct Origin {
    base::IpAddress address;
    FlowTally tally;
  };
  static constexpr std::size_t max_origins = 16;

  static EchoFlow* open(Context& context, ClientState& client,
                        const netstack::EchoRequest& request) noexcept;
  void send(const netstack::EchoRequest& request) noexcept;
  bool try_send(const netstack::EchoRequest& request) noexcept;
  void on_refused(const netstack::EchoRequest& request, int error) noexcept;
  void remember(const netstack::EchoRequest& request) noexcept;
  bool receive_one() noexcept;
  void drain_errors() noexcept;
  void report(const SocketError& error) noexcept;
  // echo_record.cpp
  Origin& origin(const base::IpAddress& address);
  bool pings(const base::IpAddress& address) const noexcept;
  void count_down(const base::IpAddress& from, netstack::Packets sent, std::size_t bytes) noexcept;
  FlowRecord record(const Origin& origin, FlowRecord::End end) const noexcept;
  void report_end(const Origin& origin, FlowRecord::End why) noexcept;
  base::Time run_interim(base::Time now) noexcept;  // returns the next
  int fd() const noexcept { return host_.get(); }

  const base::Endpoint from_;  // the port is the client's identifier
  bool closed_ = false;
  bool dont_fragment_ = false;
  std::vector<Sent> sent_;
  std::size_t oldest_ = 0;
  std::vector<Origin> origins_;
  std::size_t oldest_origin_ = 0;
  FileDescriptor host_;
};

}  // namespace culvert::proxy
