// FlowTable: the clients, their flows, the limits, and the deadlines. It owns every flow from add()
// to remove(); a flow that left stays in memory until collect(), so that it may close itself
// anywhere.
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <list>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/counters.hpp"
#include "proxy/client.hpp"
#include "proxy/deadline_wheel.hpp"
#include "proxy/flow.hpp"
#include "proxy/gate.hpp"
#include "proxy/shaper.hpp"

namespace culvert::proxy {

using FlowList =
    boost::intrusive::list<Flow,
                           boost::intrusive::member_hook<Flow, AutoUnlink, &Flow::client_hook>,
                           boost::intrusive::constant_time_size<false>>;
using DirtyList =
    boost::intrusive::list<Flow, boost::intrusive::member_hook<Flow, AutoUnlink, &Flow::dirty_hook>,
                           boost::intrusive::constant_time_size<false>>;

struct ClientState : Client {
  using Client::Client;
  FlowList tcp, udp, echo;  // the one used longest ago first (TCP: the oldest)
  std::size_t echo_open = 0;
  std::size_t dns_streams = 0;
  GateState gate;
  Lane up{config.controls, counters, Direction::up};
  Lane down{config.controls, counters, Direction::down};
  Lane datagrams{nullptr, counters, Direction::down};  // sockets to be read; policed one by one
};

class FlowTable {
 public:
  FlowTable(const Limits& limits, base::WorkerCounters& counters, base::Time now);
  ~FlowTable();

  ClientState& add_client(ClientConfig config, base::PeerCounters& counters, base::Time now);
  void remove_client(ClientState& client) noexcept;
  // Its flows are left to apply_policy().
  void update_client(ClientState& client, ClientConfig config, base::Time now);
  void set_limits(const Limits& limits, base::Time now) noexcept;
  // Ends the client's flows that are no longer allowed.
  static void apply_policy(ClientState& client) noexcept;
  static void end_all(ClientState& client, FlowRecord::End why) noexcept;
  template <class F>
  void each_client(F&& each) {
    for (ClientState& client : clients_) each(client);
  }
  // `each` may end the flow it is given.
  template <class Client, class F>
  static void each_flow(Client& client, F&& each) {
    for (auto* list : {&client.tcp, &client.udp, &client.echo})
      for (auto at = list->begin(); at != list->end();) each(*at++);
  }
  // By the longest of all clients' prefixes that hold `address`.
  ClientState* find_client(const base::IpAddress& address) const noexcept;
  // The same, for every packet: remembers the answers.
  ClientState* client_of(const base::IpAddress& address) noexcept {
    Known& known = known_[std::to_integer<std::size_t>(address.bytes().back())];
    if (known.address != address) known = {address, find_client(address)};
    return known.client;
  }

  // An IPv4 address as the 32 bits that stand in the header.
  ClientState* client_of(std::uint32_t address) noexcept {
    Known4& known = known4_[address & 255u];
    if (known.address != address || !known.asked)
      known = {address, true, find_client(base::IpAddress::v4(address))};
    return known.client;
  }

  // May this client open one more? The reason if not. Recycles the client's own idlest mapping or
  // echo flow where that makes room.
  std::optional<base::Drop> admit_tcp(ClientState& client, base::Time now) noexcept;
  std::optional<base::Drop> admit_udp(ClientState& client, base::Time now) noexcept;
  std::optional<base::Drop> admit_echo(ClientState& client, base::Time now) noexcept;

  void add(std::unique_ptr<Flow> flow, base::Time deadline, base::Time now) noexcept;
  void remove(Flow& flow) noexcept;
  // More than four fifths of what this client, or all together, may have.
  bool is_crowded(const ClientState& client) const noexcept;
  void dial_started(ClientState& client) noexcept;
  void dial_ended(ClientState& client) noexcept;

  // Datagram flows by whom they belong to: the client's end alone for a mapping, both ends for what
  // a forward carries.
  Flow* find(const base::FlowKey& key) const noexcept;
  bool insert(const base::FlowKey& key, Flow& flow);
  void erase(const base::FlowKey& key) noexcept { by_key_.erase(key); }

  void set_deadline(Timed& timed, base::Time deadline, base::Time now) noexcept {
    wheel_.set(timed, deadline, now);
  }
  void run_deadlines(base::Time now) noexcept { wheel_.run(now); }
  base::Time next_deadline() const noexcept { return wheel_.next(); }

  void collect() noexcept { left_.clear(); }
  void close_all() noexcept;
  std::size_t flows() const noexcept { return tcp_ + udp_ + echo_; }

  DirtyList dirty_tcp, dirty_datagram;

 private:
  bool has_descriptor() const noexcept { return flows() < descriptors_; }
  std::size_t tcp_cap(const ClientState& client) const noexcept;
  bool admit_rate(ClientState& client, base::Time now) noexcept;
  void forget_answers() noexcept { known_ = {}, known4_ = {}; }
  void map_addresses(ClientState& client);
  void unmap_addresses(const ClientState& client) noexcept;

  struct PrefixHash {
    std::size_t operator()(const base::Prefix& p) const noexcept {
      return base::IpAddressHash{}(p.address()) + p.length() * 0x9e3779b9u;
    }
  };

  Limits limits_;
  base::WorkerCounters& counters_;
  std::size_t descriptors_ = 0;
  std::size_t tcp_ = 0, udp_ = 0, echo_ = 0, dials_ = 0;
  base::TokenBucket new_flows_;
  std::list<ClientState> clients_;
  std::unordered_map<base::Prefix, ClientState*, PrefixHash> by_prefix_;
  struct Known {
    base::IpAddress address;
    ClientState* client = nullptr;
  };
  struct Known4 {
    std::uint32_t address = 0;
    bool asked = false;
    ClientState* client = nullptr;
  };
  std::array<Known, 256> known_;    // by the last byte of the address
  std::array<Known4, 256> known4_;  // likewise, of IPv4
  std::map<unsigned, std::size_t, std::greater<>> lengths4_, lengths6_;  // how many of each
  std::unordered_map<base::FlowKey, Flow*, base::FlowKeyHash> by_key_;
  std::vector<std::unique_ptr<Flow>> left_;
  DeadlineWheel wheel_;
};

}  // namespace culvert::proxy
