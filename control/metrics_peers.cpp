// Metrics of peers and groups.
#include "control/metrics_peers.hpp"

#include <algorithm>
#include <map>

#include "control/metrics_parts.hpp"

namespace culvert::control {
namespace {

using base::PeerCounters;

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

}  // namespace

PeerFamilies::PeerFamilies(Server& server, const Ledger& ledger)
    : server_(server), ledger_(ledger) {
  for (std::size_t i = 0; i < reasons_.size(); ++i)
    reasons_[i] = label("reason", to_string(base::Drop(i)));
  // Untouched memory costs nothing, moving megabytes as a text grows does.
  constexpr std::size_t longest_lines = 400;
  const std::size_t expected = server.peers().size() * longest_lines;
  for (Exposition* each : all_) each->reserve(expected);
}

bool PeerFamilies::add_some(std::size_t most) {
  const auto peers = server_.peers();  // since the last time some may have come or gone
  auto at = std::ranges::lower_bound(peers, next_slot_, {}, &Peer::slot);
  for (; at != peers.end() && most > 0; ++at, --most) {
    add(**at, server_.counters((*at)->slot));
    next_slot_ = (*at)->slot + 1;
  }
  return at != peers.end();
}

bool PeerFamilies::append_one(Exposition& out) {
  if (joined_ == 0) {
    std::size_t size = out.size();
    for (const Exposition* each : all_) size += each->size();
    out.reserve(size);
  }
  if (joined_ < all_.size()) out.append(std::move(*all_[joined_++]));
  return joined_ < all_.size();
}

void PeerFamilies::add(const Peer& peer, const PeerCounters& counters) {
  const std::string labels = label("peer", peer.entry.name);
  add_wireguard(peer, counters);
  add_state(peer, labels);
  add_traffic(labels, counters);
  add_denials(labels, counters);
  add_limits(peer, labels);
}

void PeerFamilies::add_wireguard(const Peer& peer, const PeerCounters& counters) {
  const std::string labels = wireguard_labels(server_.info(), peer);
  wg_sent_.sample(labels, counters.tx_bytes.get());
  wg_received_.sample(labels, counters.rx_bytes.get());
  wg_handshake_.sample(labels, counters.last_handshake.get() / 1'000'000'000);
}

void PeerFamilies::add_state(const Peer& peer, std::string_view labels) {
  const std::string more = label("group", peer.entry.group) + "," +
                           label("public_key", peer.entry.public_key.to_string()) + "," +
                           label("source", peer.source == Source::file ? "file" : "database") +
                           "," + label("worker", std::to_string(peer.worker));
  info_family_.sample(labels, more, 1);
  connected_.sample(labels, peer.connected);
  if (const base::Stop stop = ledger_.stop(peer.slot); stop != base::Stop::none)
    stopped_.sample(labels, label("reason", to_string(stop)), 1);
}

void PeerFamilies::add_traffic(std::string_view labels, const PeerCounters& c) {
  using P = PeerCounters;
  static constexpr Column bytes[] = {{"direction=\"up\"", &P::up_bytes},
                                     {"direction=\"down\"", &P::down_bytes}},
                          packets[] = {{"direction=\"up\"", &P::up_packets},
                                       {"direction=\"down\"", &P::down_packets}},
                          payload[] = {{"protocol=\"tcp\",direction=\"up\"", &P::tcp_up},
                                       {"protocol=\"tcp\",direction=\"down\"", &P::tcp_down},
                                       {"protocol=\"udp\",direction=\"up\"", &P::udp_up},
                                       {"protocol=\"udp\",direction=\"down\"", &P::udp_down}},
                          flows[] = {{"protocol=\"tcp\"", &P::tcp_flows},
                                     {"protocol=\"udp\"", &P::udp_flows},
                                     {"protocol=\"icmp\"", &P::echo_flows}},
                          open[] = {{"protocol=\"tcp\"", &P::tcp_open},
                                    {"protocol=\"udp\"", &P::udp_open}};
  columns(bytes_, labels, c, bytes);
  columns(packets_, labels, c, packets);
  columns(payload_, labels, c, payload);
  columns(flows_, labels, c, flows);
  columns(open_flows_, labels, c, open);
  handshakes_.sample(labels, c.handshakes.get());
  dns_queries_.sample(labels, c.dns_queries.get());
  dns_blocked_.sample(labels, c.dns_blocked.get());
}

void PeerFamilies::add_denials(std::string_view labels, const PeerCounters& counters) {
  if (counters.denied.get() == 0) return;
  for (std::size_t i = 0; i < reasons_.size(); ++i)
    if (const auto n = counters.denials.get(base::Drop(i))) denied_.sample(labels, reasons_[i], n);
}

void PeerFamilies::add_limits(const Peer& peer, std::string_view labels) {
  const Policy& policy = peer.entry.policy;
  if (policy.up > 0) limit_.sample(labels, "direction=\"up\"", policy.up / 8);
  if (policy.down > 0) limit_.sample(labels, "direction=\"down\"", policy.down / 8);
  const auto quota = ledger_.quota(peer.slot);
  if (!quota) return;
  quota_.sample(labels, quota->quota.bytes);
  quota_used_.sample(labels, quota->used);
  quota_resets_.sample(labels, seconds_of(quota->resets));
}

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
