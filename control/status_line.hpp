// StatusLine: how the server does, in one log line every so often, in the shape of wgslirp's
//
//   {"ts":…,"total":{…},"tcp":{…},"udp":{…},"tcp_ext":{…},"tcp_active":…,"udp_active":…,
//    "icmp_active":…,"wg":{…},"proc":{…},"srv_limits":{…},"wg_hs":{…}}
//
// What has no meaning here is left out rather than made up: no retransmissions of ours, no queues
// of flows, no garbage collector.
//
//   total       flows of all clients; their inner packets and bytes, sent = to clients, each
//               counted once; errors = everything dropped or refused
//   tcp, udp    payload bytes
//   wg          inner bytes from and to clients; WireGuard's datagrams
//   proc        the supervisor's and all workers' CPU time and memory
//   srv_limits  how near descriptors, ports and connection tracking are to their end
//   wg_hs       fresh: a handshake in the last 180 s, after which no session lives; stale: an older
//               one; never: none since the start
//
// Sums are over the peers that exist, since the server was started.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "control/server.hpp"
#include "control/settings.hpp"

namespace culvert::control {

nlohmann::ordered_json status_object(const Server& server, base::WallTime wall);
// "ts=… total{conns_created=1 …} tcp_active=2 …", for people.
std::string status_text(const nlohmann::ordered_json& object);

class StatusLine {
 public:
  explicit StatusLine(StatusLineSettings settings) : settings_(settings) {}
  // Writes the line to the log when it is due: "metrics: " and the object as JSON or as text.
  void tick(const Server& server, base::Time now, base::WallTime wall);

 private:
  StatusLineSettings settings_;
  base::Time next_{};
};

}  // namespace culvert::control
