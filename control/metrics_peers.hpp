// PeerFamilies: the metrics of peers. A page with 10,000 peers has some 250,000 lines. The format
// wants families in one piece, the memory wants each peer's counters and labels read once: so one
// pass over the peers writes all families side by side, and they are joined at the end. What a peer
// does not have (a quota, a rate, a denial) has no line.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "control/metrics_parts.hpp"

namespace culvert::control {

class PeerFamilies {
 public:
  PeerFamilies(Server& server, const Ledger& ledger);
  PeerFamilies(const PeerFamilies&) = delete;
  PeerFamilies& operator=(const PeerFamilies&) = delete;

  bool add_some(std::size_t most);   // false: those were the last peers
  bool append_one(Exposition& out);  // family; false: that was the last one

 private:
  struct Family : Exposition {
    Family(std::vector<Exposition*>& all, Type type, std::string_view name, std::string_view help) {
      family(name, type, help);
      all.push_back(this);
    }
  };
  struct Column {
    std::string_view labels;
    base::Counter base::PeerCounters::*counter;
  };
  template <std::size_t N>
  static void columns(Family& family, std::string_view labels, const base::PeerCounters& counters,
                      const Column (&of)[N]) {
    for (const Column& each : of)
      family.sample(labels, each.labels, (counters.*each.counter).get());
  }
  void add(const Peer& peer, const base::PeerCounters& counters);
  void add_wireguard(const Peer& peer, const base::PeerCounters& counters);
  void add_state(const Peer& peer, std::string_view labels);
  void add_traffic(std::string_view labels, const base::PeerCounters& counters);
  void add_denials(std::string_view labels, const base::PeerCounters& counters);
  void add_limits(const Peer& peer, std::string_view labels);

  static constexpr auto gauge = Exposition::Type::gauge, counter = Exposition::Type::counter;
  Server& server_;
  const Ledger& ledger_;
  std::uint32_t next_slot_ = 0;
  std::size_t joined_ = 0;
  std::array<std::string, std::size_t(base::Drop::count_)> reasons_;
  std::vector<Exposition*> all_;  // in the order of the page
  Family wg_sent_{all_, counter, "wireguard_sent_bytes_total",
                  "Bytes sent to the peer: WireGuard messages"};
  Family wg_received_{all_, counter, "wireguard_received_bytes_total",
                      "Bytes received from the peer: WireGuard messages"};
  Family wg_handshake_{all_, gauge, "wireguard_latest_handshake_seconds",
                       "Unix time of the last handshake; 0: none yet"};
  Family info_family_{all_, gauge, "culvert_peer_info", "1; who the peer is"};
  Family connected_{all_, gauge, "culvert_peer_connected", "1 if the peer has a session"};
  Family stopped_{all_, gauge, "culvert_peer_stopped",
                  "1: the client may not use the tunnel now, and why"};
  Family bytes_{all_, counter, "culvert_peer_tunnel_bytes_total",
                "Bytes of IP packets inside the tunnel"};
  Family packets_{all_, counter, "culvert_peer_tunnel_packets_total",
                  "IP packets inside the tunnel"};
  Family payload_{all_, counter, "culvert_peer_payload_bytes_total",
                  "Payload that origins took and gave, each byte once"};
  Family flows_{all_, counter, "culvert_peer_flows_total", "Flows opened"};
  Family open_flows_{all_, gauge, "culvert_peer_open_flows", "Flows open now"};
  Family handshakes_{all_, counter, "culvert_peer_handshakes_total",
                     "WireGuard handshakes completed"};
  Family dns_queries_{all_, counter, "culvert_peer_dns_queries_total", "Questions to port 53"};
  Family dns_blocked_{all_, counter, "culvert_peer_dns_blocked_total",
                      "Questions that the client's policy blocked or rewrote"};
  Family denied_{all_, counter, "culvert_peer_denied_total",
                 "Refused to the client or dropped of its packets; reasons that occurred"};
  Family limit_{all_, gauge, "culvert_peer_limit_bytes_per_second",
                "Configured rate of payload; none: no line"};
  Family quota_{all_, gauge, "culvert_peer_quota_bytes", "Bytes allowed in the quota's period"};
  Family quota_used_{all_, gauge, "culvert_peer_quota_used_bytes",
                     "Bytes used of the quota in this period"};
  Family quota_resets_{all_, gauge, "culvert_peer_quota_resets_timestamp_seconds",
                       "Unix time at which the period ends"};
};

}  // namespace culvert::control
