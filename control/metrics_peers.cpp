// Metrics of peers and groups. A page with 10,000 peers has some 200,000 lines: labels are made
// once for each peer, and what a peer does not have (a quota, a rate, a denial) has no line.
#include <fmt/format.h>

#include <array>
#include <map>

#include "control/metrics_parts.hpp"

namespace culvert::control {
namespace {

using base::Counter;
using base::PeerCounters;

struct Row {
  const Peer& peer;
  const PeerCounters& counters;
  std::string labels;
  std::optional<QuotaState> quota;
};

std::vector<Row> rows_of(Server& server, const Ledger& ledger) {
  std::vector<Row> rows;
  const auto peers = server.peers();
  rows.reserve(peers.size());
  for (const Peer* peer : peers)
    rows.push_back({*peer, server.counters(peer->slot), label("peer", peer->entry.name),
                    ledger.quota(peer->slot)});
  return rows;
}

std::uint64_t seconds_of(base::WallTime when) noexcept {
  const auto since = std::chrono::floor<std::chrono::seconds>(when.time_since_epoch()).count();
  return since > 0 ? std::uint64_t(since) : 0;
}

std::string wireguard_labels(const ServerInfo& info, const Peer& peer) {
  std::string ips;
  for (const base::Prefix& prefix : peer.entry.allowed_ips)
    (ips += ips.empty() ? "" : ",") += prefix.to_string();
  return label("interface", info.interface) + "," +
         label("public_key", peer.entry.public_key.to_string()) + "," + label("allowed_ips", ips) +
         "," + label("friendly_name", peer.entry.name);
}

void wireguard(Exposition& out, const Server& server, const std::vector<Row>& rows) {
  std::vector<std::string> labels;
  labels.reserve(rows.size());
  for (const Row& row : rows) labels.push_back(wireguard_labels(server.info(), row.peer));
  const auto each = [&](std::uint64_t (*value)(const PeerCounters&)) {
    for (std::size_t i = 0; i < rows.size(); ++i) out.sample(labels[i], value(rows[i].counters));
  };
  out.counter("wireguard_sent_bytes_total", "Bytes sent to the peer: WireGuard messages");
  each([](const PeerCounters& c) { return c.tx_bytes.get(); });
  out.counter("wireguard_received_bytes_total", "Bytes received from the peer: WireGuard messages");
  each([](const PeerCounters& c) { return c.rx_bytes.get(); });
  out.gauge("wireguard_latest_handshake_seconds", "Unix time of the last handshake; 0: none yet");
  each([](const PeerCounters& c) { return c.last_handshake.get() / 1'000'000'000; });
}

struct Column {
  std::string_view labels;
  Counter PeerCounters::*counter;
};

template <std::size_t N>
void columns(Exposition& out, const std::vector<Row>& rows, const Column (&of)[N]) {
  for (const Row& row : rows)
    for (const Column& each : of)
      out.sample(row.labels, each.labels, (row.counters.*each.counter).get());
}

void traffic(Exposition& out, const std::vector<Row>& rows) {
  using P = PeerCounters;
  constexpr std::string_view up = "direction=\"up\"", down = "direction=\"down\"";
  out.counter("culvert_peer_tunnel_bytes_total", "Bytes of IP packets inside the tunnel");
  columns(out, rows, {{up, &P::up_bytes}, {down, &P::down_bytes}});
  out.counter("culvert_peer_tunnel_packets_total", "IP packets inside the tunnel");
  columns(out, rows, {{up, &P::up_packets}, {down, &P::down_packets}});
  out.counter("culvert_peer_payload_bytes_total",
              "Payload that origins took and gave, each byte once");
  columns(out, rows,
          {{"protocol=\"tcp\",direction=\"up\"", &P::tcp_up},
           {"protocol=\"tcp\",direction=\"down\"", &P::tcp_down},
           {"protocol=\"udp\",direction=\"up\"", &P::udp_up},
           {"protocol=\"udp\",direction=\"down\"", &P::udp_down}});
  out.counter("culvert_peer_flows_total", "Flows opened");
  columns(out, rows,
          {{"protocol=\"tcp\"", &P::tcp_flows},
           {"protocol=\"udp\"", &P::udp_flows},
           {"protocol=\"icmp\"", &P::echo_flows}});
  out.gauge("culvert_peer_open_flows", "Flows open now");
  columns(out, rows, {{"protocol=\"tcp\"", &P::tcp_open}, {"protocol=\"udp\"", &P::udp_open}});
  out.counter("culvert_peer_handshakes_total", "WireGuard handshakes completed");
  columns(out, rows, {{"", &P::handshakes}});
}

void denials(Exposition& out, const std::vector<Row>& rows) {
  constexpr std::size_t reasons = std::size_t(base::Drop::count_);
  std::array<std::string, reasons> labels;
  for (std::size_t i = 0; i < reasons; ++i) labels[i] = label("reason", to_string(base::Drop(i)));
  out.counter("culvert_peer_denied_total",
              "Refused to the client or dropped of its packets; reasons that occurred");
  for (const Row& row : rows) {
    if (row.counters.denied.get() == 0) continue;
    for (std::size_t i = 0; i < reasons; ++i)
      if (const auto n = row.counters.denials.get(base::Drop(i)))
        out.sample(row.labels, labels[i], n);
  }
}

void state(Exposition& out, const Ledger& ledger, const std::vector<Row>& rows) {
  out.gauge("culvert_peer_info", "1; who the peer is");
  for (const Row& row : rows) {
    const std::string more =
        fmt::format("{},{},{},{}", label("group", row.peer.entry.group),
                    label("public_key", row.peer.entry.public_key.to_string()),
                    label("source", row.peer.source == Source::file ? "file" : "database"),
                    label("worker", std::to_string(row.peer.worker)));
    out.sample(row.labels, more, 1);
  }
  out.gauge("culvert_peer_connected", "1 if the peer has a session");
  for (const Row& row : rows) out.sample(row.labels, row.peer.connected);
  out.gauge("culvert_peer_stopped", "1: the client may not use the tunnel now, and why");
  for (const Row& row : rows)
    if (const base::Stop stop = ledger.stop(row.peer.slot); stop != base::Stop::none)
      out.sample(row.labels, label("reason", to_string(stop)), 1);
}

void limits(Exposition& out, const std::vector<Row>& rows) {
  out.gauge("culvert_peer_limit_bytes_per_second", "Configured rate of payload; none: no line");
  for (const Row& row : rows) {
    const Policy& policy = row.peer.entry.policy;
    if (policy.up > 0) out.sample(row.labels, "direction=\"up\"", policy.up / 8);
    if (policy.down > 0) out.sample(row.labels, "direction=\"down\"", policy.down / 8);
  }
  const auto quota = [&](std::uint64_t (*value)(const QuotaState&)) {
    for (const Row& row : rows)
      if (row.quota) out.sample(row.labels, value(*row.quota));
  };
  out.gauge("culvert_peer_quota_bytes", "Bytes allowed in the quota's period");
  quota([](const QuotaState& q) { return q.quota.bytes; });
  out.gauge("culvert_peer_quota_used_bytes", "Bytes used of the quota in this period");
  quota([](const QuotaState& q) { return q.used; });
  out.gauge("culvert_peer_quota_resets_timestamp_seconds", "Unix time at which the period ends");
  quota([](const QuotaState& q) { return seconds_of(q.resets); });
}

}  // namespace

std::string_view to_string(base::Stop stop) noexcept {
  switch (stop) {
    case base::Stop::none:
      return "none";
    case base::Stop::quota:
      return "quota";
    case base::Stop::expired:
      return "expired";
    case base::Stop::hours:
      return "hours";
    case base::Stop::admission:
      return "admission";
  }
  return "?";
}

void peer_metrics(Exposition& out, Server& server, const Ledger& ledger) {
  const std::vector<Row> rows = rows_of(server, ledger);
  wireguard(out, server, rows);
  state(out, ledger, rows);
  traffic(out, rows);
  denials(out, rows);
  limits(out, rows);
}

void group_metrics(Exposition& out, Server& server, const Ledger& ledger) {
  struct Group {
    std::string labels;
    const GroupConfig& config;
    std::optional<QuotaState> quota;
  };
  std::vector<Group> groups;
  for (const GroupConfig& each : server.groups())
    groups.push_back({label("group", each.name), each, ledger.group_quota(each.name)});
  std::map<std::string_view, std::uint64_t> members;
  for (const Peer* peer : server.peers()) ++members[peer->entry.group];

  out.gauge("culvert_group_peers", "Peers of the group");
  for (const Group& each : groups) out.sample(each.labels, members[each.config.name]);
  out.gauge("culvert_group_limit_bytes_per_second",
            "Configured rate of payload of all members together; none: no line");
  for (const Group& each : groups) {
    if (const auto up = each.config.total_up) out.sample(each.labels, "direction=\"up\"", up / 8);
    if (const auto down = each.config.total_down)
      out.sample(each.labels, "direction=\"down\"", down / 8);
  }
  const auto quota = [&](std::uint64_t (*value)(const QuotaState&)) {
    for (const Group& each : groups)
      if (each.quota) out.sample(each.labels, value(*each.quota));
  };
  out.gauge("culvert_group_quota_bytes", "Bytes allowed in the period to all members together");
  quota([](const QuotaState& q) { return q.quota.bytes; });
  out.gauge("culvert_group_quota_used_bytes", "Bytes used of the group's quota in this period");
  quota([](const QuotaState& q) { return q.used; });
  out.gauge("culvert_group_quota_resets_timestamp_seconds", "Unix time at which the period ends");
  quota([](const QuotaState& q) { return seconds_of(q.resets); });
}

}  // namespace culvert::control
