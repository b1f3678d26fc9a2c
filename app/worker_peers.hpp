// WorkerPeers: the peers that one worker owns. A peer is four things there: a peer of the
// WireGuard device, a client of the proxy, one of the resolver, and a slot in the shared memory;
// this class keeps them together when peers come, change and go. The worker calls it at start and
// for the supervisor's orders.
#pragma once

#include <string>
#include <unordered_map>

#include "app/order.hpp"
#include "app/peer_reports.hpp"
#include "app/policy_numbers.hpp"
#include "app/registry.hpp"
#include "app/shared_state.hpp"
#include "app/worker_dns.hpp"
#include "proxy/proxy.hpp"
#include "wg/device.hpp"

namespace culvert::app {

class WorkerPeers {
 public:
  WorkerPeers(SharedState& shared, const RuleNumbers& rules, wg::Device& device,
              proxy::Proxy& proxy, WorkerDns& dns, PeerReports& reports)
      : shared_(shared),
        rules_(rules),
        device_(device),
        proxy_(proxy),
        dns_(dns),
        reports_(reports) {}

  // Each returns why it could not be done; empty if it was. A failed order changed nothing.
  std::string add(AddPeer order, base::Time now);
  std::string change(ChangePeer order, base::Time now);
  // Keys are zeroed and flows reset when it returns.
  std::string remove(std::uint32_t slot) noexcept;
  // Where it was before this worker: found again, and called if it had a session.
  void resume(std::uint32_t slot, const PeerMemory& memory, base::Time now);

  std::uint32_t slot_of(wg::PeerId id) const noexcept { return slots_.find(id.value)->second; }
  const proxy::Client* client(std::uint32_t slot) const noexcept;

 private:
  struct Peer {
    wg::PeerId id;
    proxy::Client* client;  // and in it the resolver's
  };
  void change_client(Peer& peer, ChangePeer& order);
  void change_routes(Peer& peer, const std::vector<base::Prefix>& now_held);

  SharedState& shared_;
  const RuleNumbers& rules_;
  wg::Device& device_;
  proxy::Proxy& proxy_;
  WorkerDns& dns_;
  PeerReports& reports_;
  std::unordered_map<std::uint32_t, Peer> peers_;           // by slot
  std::unordered_map<std::uint32_t, std::uint32_t> slots_;  // by PeerId
};

// What a worker is told of a peer that it gets.
AddPeer add_order(std::uint32_t slot, const control::PeerEntry& entry, PolicyNumbers& numbers);
ClientPolicy client_policy(const control::PeerEntry& entry, PolicyNumbers& numbers);

}  // namespace culvert::app
