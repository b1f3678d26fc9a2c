// UdpFlow: the mapping of one client endpoint (RFC 4787): one unconnected host socket, whatever the
// destinations (endpoint-independent mapping), on the client's own port where it is free. Replies
// pass from addresses the client has sent to, or from anyone with `full_cone`.
//
// With IP_RECVERR the socket's error queue says which datagram failed where; the client gets the
// same ICMP error from the same router, quoting its own packet. That is what makes traceroute work.
#pragma once

#include <array>
#include <unordered_map>
#include <vector>

#include "netstack/stack.hpp"
#include "proxy/flow.hpp"
#include "proxy/flow_reporter.hpp"
#include "proxy/host_socket.hpp"
#include "proxy/shaper.hpp"
#include "proxy/udp_batch.hpp"

namespace culvert::proxy {

struct SocketError;

// Where a mapping sent to lately, with the last packet for each, to be quoted in an error. Bounded;
// an address that falls out stays known as contacted.
class Targets {
 public:
  struct Target {
    base::Endpoint endpoint;
    netstack::Quote quote;
    base::Time checked = base::Time::min();  // when the egress policy was asked; min: never
    FlowTally tally;
    bool is_stranger() const noexcept { return checked == base::Time::min(); }
  };

  Target* find(const base::Endpoint& endpoint) noexcept;
  // By address alone: the one used last. Errors of this host's own kernel carry no port.
  Target* find_address(const base::IpAddress& address) noexcept;
  Target& insert(const base::Endpoint& endpoint);
  // What insert() would take the place of.
  const Target* next_to_go() const noexcept;
  bool contacted(const base::IpAddress& address) const noexcept;
  std::vector<Target>& all() noexcept { return targets_; }
  const std::vector<Target>& all() const noexcept { return targets_; }
  // Forgets all that are not `allowed`, those that fell out by the port they were last known with.
  template <class Allowed>
  void keep(Allowed&& allowed) noexcept {
    std::erase_if(targets_, [&](const Target& t) { return !allowed(t.endpoint); });
    std::erase_if(contacted_, [&](const auto& c) {
      return !allowed({c.first, c.second});
    });
    oldest_ = recent_ = 0;
  }

 private:
  static constexpr std::size_t max_targets = 32;
  static constexpr std::size_t max_contacted = 4096;
  std::vector<Target> targets_;
  std::size_t oldest_ = 0;
  std::size_t recent_ = 0;
  std::unordered_map<base::IpAddress, std::uint16_t, base::IpAddressHash> contacted_;  // and port
};

// The datagrams of a traceroute: several are under way at a time, to one endpoint or to many, and
// an error is to quote the one it is about.
class Probes {
 public:
  void add(const netstack::UdpDatagram& datagram, base::Time now);
  // By what the error quotes of it. Where that fits several: the oldest without an answer of the
  // last two seconds, else the latest.
  const netstack::Quote* find(const SocketError& error, base::Time now) noexcept;

 private:
  static constexpr std::size_t max_probes = 32;
  struct Probe {
    base::Endpoint to;
    base::Time sent{};
    std::size_t size = 0;
    std::array<std::byte, 32> start;  // of the payload
    bool answered = false;
    netstack::Quote quote;
    bool fits(const SocketError& error) const noexcept;
  };
  std::vector<Probe> probes_;
  std::size_t oldest_ = 0;
};

class UdpFlow final : public Flow {
 public:
  UdpFlow(Context& context, ClientState& client, const base::Endpoint& from, FileDescriptor host);

  // A client's datagram: finds its mapping or makes it. Every refusal is counted and, where the
  // client should know, answered.
  static void carry(Context& context, ClientState& client,
                    const netstack::UdpDatagram& datagram) noexcept;
  // What names the mapping of a client endpoint in the flow table.
  static base::FlowKey mapping_key(const base::Endpoint& client) noexcept;

  void close() noexcept override;
  void on_turn() noexcept override;
  void on_ready(std::uint32_t events) noexcept override;
  base::Time on_deadline(base::Time now) noexcept override;
  void on_policy() noexcept override;
  void each_record(const Proxy::EachRecord& each) const override;

 private:
  // udp_record.cpp
  FlowRecord record(const Targets::Target& target, FlowRecord::End end) const noexcept;
  void report_end(const Targets::Target& target, FlowRecord::End why) noexcept;
  Targets::Target& add_target(const base::Endpoint& origin);
  void count_up(const base::Endpoint& origin, std::size_t bytes) noexcept;
  void count_down(const base::Endpoint& origin, netstack::Packets sent,
                  std::size_t bytes) noexcept;
  base::Time run_interim(base::Time now) noexcept;  // returns the next

  static UdpFlow* open(Context& context, ClientState& client,
                       const netstack::UdpDatagram& datagram) noexcept;
  void hear_ecn() noexcept;
  bool may_send(const netstack::UdpDatagram& datagram) noexcept;
  void send(const netstack::UdpDatagram& datagram) noexcept;
  void send_queue() noexcept;
  bool on_full(std::size_t count) noexcept;
  bool on_refused(const OutgoingDatagram& datagram, int error) noexcept;
  Moved read_down(std::size_t most) noexcept;
  void become_busy() noexcept;
  void deliver_one(const base::FlowKey& key, base::Bytes payload, std::uint8_t ecn) noexcept;
  void deliver(const UdpReceiver::Received& received) noexcept;
  void drain_errors() noexcept;
  void report(const SocketError& error) noexcept;
  base::Duration idle_time() const noexcept;
  int fd() const noexcept { return host_.get(); }

  const base::Endpoint from_;  // the client's
  bool closed_ = false;
  bool hears_ecn_ = false;
  Fragments fragments_ = Fragments::any;
  bool busy_ = false, sends_much_ = false;
  bool only_dns_ = true;
  UdpBatch::Queue queue_;
  Targets targets_;
  Probes probes_;
  FileDescriptor host_;
  Side<UdpFlow, &UdpFlow::read_down> down_side_{*this};
};

}  // namespace culvert::proxy
