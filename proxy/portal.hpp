// Portal: what a client can reach at the tunnel's own address, without any host socket.
//
//   any time   http://TUNNEL-ADDRESS/ shows the client its own use and quota.
//   stopped    every DNS query, to whatever address, is answered with the tunnel address, and HTTP
//              to port 80 of any address leads to the page, which says why.
//
// A request is at most 4 KiB, a visit 5 seconds; a client has at most 8 visits at a time and all
// clients together 512.
#pragma once

#include <memory>
#include <vector>

#include "netstack/stack.hpp"
#include "proxy/deadline_wheel.hpp"
#include "proxy/portal_dns.hpp"

namespace culvert::proxy {

struct ClientState;
struct Context;
class PortalVisit;

class Portal {
 public:
  explicit Portal(Context& context) noexcept;
  ~Portal();

  // Is this connection, or this datagram, for the portal?
  bool takes(const ClientState& client, const base::FlowKey& key) const noexcept;
  void accept(ClientState& client, netstack::PendingSyn syn) noexcept;
  void answer(const netstack::UdpDatagram& query) noexcept;

  void forget(const ClientState& client) noexcept;  // resets its visits
  void collect() noexcept;                          // at the end of a turn
  std::size_t visits() const noexcept { return visits_.size(); }

 private:
  friend class PortalVisit;
  std::size_t visits_of(const ClientState& client) const noexcept;
  void leave(PortalVisit& visit) noexcept;

  Context& context_;
  DnsNotice dns_;
  std::vector<std::unique_ptr<PortalVisit>> visits_, left_;
};

}  // namespace culvert::proxy
