// What the supervisor tells a worker to do while it runs: one JSON object a line, each answered by
// one Done with its number. Orders are carried out one after another as they came.
//
// A preshared key stands first in its line, so that it can be taken out and wiped before anything
// else reads the line.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "app/dns_orders.hpp"
#include "app/peer_routes.hpp"
#include "base/log.hpp"
#include "proxy/egress_policy.hpp"
#include "proxy/limits.hpp"
#include "wg/keys.hpp"

namespace culvert::app {

// Every field of Limits, always in the same order.
template <class Limits, class Each>
void each_limit(Limits& limits, Each each) {
  for (auto* count :
       {&limits.tcp_flows, &limits.tcp_dials, &limits.new_flows_per_second, &limits.new_flows_burst,
        &limits.udp_mappings, &limits.echo_per_second, &limits.tcp_flows_total,
        &limits.tcp_dials_total, &limits.new_flows_per_second_total, &limits.udp_mappings_total,
        &limits.reserved_descriptors})
    each(*count);
  for (auto* wait :
       {&limits.tcp_idle, &limits.tcp_half_closed, &limits.tcp_dial, &limits.tcp_no_progress,
        &limits.tcp_no_progress_crowded, &limits.udp_idle, &limits.udp_idle_dns, &limits.echo_idle})
    each(*wait);
}
static_assert(sizeof(proxy::Limits) == 19 * sizeof(std::uint64_t), "name it above as well");

bool same_limits(const proxy::Limits& a, const proxy::Limits& b);
bool same_rules(const proxy::EgressRules& a, const proxy::EgressRules& b);

// The part of a peer's policy that its worker acts on. Rates, quotas and stops are in the shared
// memory.
struct ClientPolicy {
  proxy::Limits limits;     // the per-client ones
  std::uint64_t rules = 0;  // of its own or its group, by number; 0 = none
  bool full_cone = false;
  std::uint64_t dns = 0;  // its DNS policy, by number; 0 = as one that says nothing
  std::string group;
};

struct StopWorker {};

struct AddPeer {
  std::uint32_t slot = 0;
  std::string name;
  wg::PublicKey public_key;
  wg::PresharedKey preshared_key;
  std::vector<base::Prefix> allowed_ips;
  std::optional<base::Endpoint> endpoint;
  std::chrono::seconds persistent_keepalive{0};
  ClientPolicy policy;
};

// What is set changes, the rest stays.
struct ChangePeer {
  std::uint32_t slot = 0;
  std::optional<std::string> name;
  std::optional<wg::PresharedKey> preshared_key;
  std::optional<std::vector<base::Prefix>> allowed_ips;  // all that it has now
  std::optional<base::Endpoint> endpoint;
  std::optional<std::chrono::seconds> persistent_keepalive;
  std::optional<ClientPolicy> policy;

  bool empty() const noexcept {
    return !name && !preshared_key && !allowed_ips && !endpoint && !persistent_keepalive && !policy;
  }
};

struct RemovePeer {
  std::uint32_t slot = 0;
};

// Of all workers' peers, for packets from client to client. First what goes, then what comes.
struct ChangeRoutes {
  struct Route {
    base::Prefix prefix;
    PeerRoute to;
  };
  std::vector<Route> removed, added;
};

// Egress rules that policies name by their number.
struct SetRules {
  std::uint64_t number = 0;
  proxy::EgressRules rules;
};
struct ForgetRules {
  std::vector<std::uint64_t> numbers;
};

struct ChangeGlobals {
  proxy::Limits limits;  // of the whole server: the worker takes its share
  proxy::EgressRules egress;
  base::log::Level log_level = base::log::Level::info;
};

struct ListFlows {
  std::optional<std::uint32_t> slot;  // of this peer only
  std::uint64_t limit = 0;
};

struct Order {
  using What = std::variant<StopWorker, AddPeer, ChangePeer, RemovePeer, ChangeRoutes, SetRules,
                            ForgetRules, ChangeGlobals, ListFlows, SetDnsPolicy, ForgetDnsPolicies,
                            SetDns, SetDnsNames, UseRules, FlushDnsCache, SetTrust>;
  std::uint64_t number = 0;
  What what;
};

// One line, with its newline. The caller wipes it.
std::string to_line(const Order& order);
// Nothing if it is no order. A preshared key in `line` is overwritten.
std::optional<Order> parse_order(std::string& line);

}  // namespace culvert::app
