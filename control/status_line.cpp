#include "control/status_line.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "control/host_limits.hpp"
#include "control/process_stats.hpp"
#include "control/timestamp.hpp"

namespace culvert::control {
namespace {

using json = nlohmann::ordered_json;

struct PeerSums {
  std::uint64_t opened = 0, open = 0, up_packets = 0, up_bytes = 0, down_packets = 0,
                down_bytes = 0, tcp_up = 0, tcp_down = 0, udp_up = 0, udp_down = 0;
};

PeerSums peer_sums(const Server& server) {
  PeerSums sums;
  for (const Peer* peer : server.peers()) {
    const base::PeerCounters& c = server.counters(peer->slot);
    sums.opened += c.tcp_flows.get() + c.udp_flows.get() + c.echo_flows.get();
    sums.up_packets += c.up_packets.get(), sums.up_bytes += c.up_bytes.get();
    sums.down_packets += c.down_packets.get(), sums.down_bytes += c.down_bytes.get();
    sums.tcp_up += c.tcp_up.get(), sums.tcp_down += c.tcp_down.get();
    sums.udp_up += c.udp_up.get(), sums.udp_down += c.udp_down.get();
  }
  return sums;
}

struct WorkerSums {
  std::uint64_t tcp = 0, udp = 0, echo = 0, dials = 0, failed = 0, dialling = 0, in = 0, out = 0,
                drops = 0, queue_drops = 0, short_packets = 0;
  double fullest = 0;  // of the workers' host sockets, in percent
};

WorkerSums worker_sums(const Server& server) {
  WorkerSums sums;
  for (const WorkerState& worker : server.workers()) {
    const base::WorkerCounters& c = server.worker_counters(worker.index);
    const std::uint64_t tcp = c.tcp_open.get(), udp = c.udp_open.get(), echo = c.echo_open.get();
    sums.tcp += tcp, sums.udp += udp, sums.echo += echo;
    sums.dials += c.dials.get(), sums.failed += c.dials_failed.get();
    sums.dialling += c.dialling.get();
    sums.in += c.datagrams_in.get(), sums.out += c.datagrams_out.get();
    sums.drops += c.drops.total();
    sums.queue_drops +=
        c.drops.get(base::Drop::staged_overflow) + c.drops.get(base::Drop::outbox_full);
    sums.short_packets += c.drops.get(base::Drop::malformed) + c.drops.get(base::Drop::bad_length);
    if (const std::uint64_t most = c.descriptors_max.get())
      sums.fullest = std::max(sums.fullest, double((tcp + udp + echo) * 1000 / most) / 10);
  }
  return sums;
}

json processes(const Server& server) {
  json all;
  double cpu = 0;
  std::uint64_t workers_rss = 0;
  for (const WorkerState& worker : server.workers())
    if (worker.pid > 0)
      if (const auto stats = process_stats(worker.pid))
        cpu += stats->cpu_seconds, workers_rss += stats->resident_bytes;
  if (const auto own = process_stats(::getpid()))
    cpu += own->cpu_seconds, all["supervisor_rss"] = own->resident_bytes;
  all["workers_rss"] = workers_rss;
  all["cpu_seconds"] = double(std::uint64_t(cpu * 100)) / 100;
  return all;
}

// WireGuard gives a session up 180 s after its handshake (paper section 6.1, Reject-After-Time).
json handshakes(const Server& server, base::WallTime wall) {
  constexpr std::int64_t reject_after_time = 180;
  std::uint64_t peers = 0, fresh = 0, stale = 0;
  std::int64_t oldest = 0, newest = 0;
  for (const Peer* peer : server.peers()) {
    ++peers;
    const std::uint64_t last = server.counters(peer->slot).last_handshake.get();
    if (last == 0) continue;
    const auto since = wall - base::WallTime(std::chrono::nanoseconds(last));
    const std::int64_t age =
        std::max<std::int64_t>(std::chrono::floor<std::chrono::seconds>(since).count(), 0);
    oldest = fresh + stale == 0 ? age : std::max(oldest, age);
    newest = fresh + stale == 0 ? age : std::min(newest, age);
    ++(age < reject_after_time ? fresh : stale);
  }
  json all{{"peers", peers}, {"fresh", fresh}, {"stale", stale}, {"never", peers - fresh - stale}};
  if (fresh + stale > 0) all["oldest_sec"] = oldest, all["newest_sec"] = newest;
  return all;
}

void append(std::string& text, const json& object) {
  bool first = true;
  for (const auto& [key, value] : object.items()) {
    if (!std::exchange(first, false)) text += ' ';
    text += key;
    if (value.is_object()) {
      text += '{';
      append(text, value);
      text += '}';
    } else {
      text += '=';
      text += value.is_string() ? value.get<std::string>() : value.dump();
    }
  }
}

}  // namespace

json status_object(const Server& server, base::WallTime wall) {
  const PeerSums peers = peer_sums(server);
  const WorkerSums workers = worker_sums(server);
  const std::uint64_t open = workers.tcp + workers.udp + workers.echo;
  const std::uint64_t settled = std::min(workers.failed + workers.dialling, workers.dials);
  json all;
  all["ts"] = timestamp(wall);
  all["total"] = {{"conns_created", peers.opened},
                  {"conns_closed", peers.opened - std::min(open, peers.opened)},
                  {"pkts_sent", peers.down_packets},
                  {"pkts_recv", peers.up_packets},
                  {"bytes_sent", peers.down_bytes},
                  {"bytes_recv", peers.up_bytes},
                  {"errors", workers.drops}};
  all["tcp"] = {{"bytes_sent", peers.tcp_down}, {"bytes_recv", peers.tcp_up}};
  all["udp"] = {{"bytes_sent", peers.udp_down}, {"bytes_recv", peers.udp_up}};
  all["tcp_ext"] = {{"dial_start", workers.dials},
                    {"dial_ok", workers.dials - settled},
                    {"dial_fail", workers.failed},
                    {"dial_inflight", workers.dialling}};
  all["tcp_active"] = workers.tcp;
  all["udp_active"] = workers.udp;
  all["icmp_active"] = workers.echo;
  all["wg"] = {{"plaintext_from_wg_bytes", peers.up_bytes},
               {"plaintext_to_wg_bytes", peers.down_bytes},
               {"datagrams_in", workers.in},
               {"datagrams_out", workers.out},
               {"queue_drops", workers.queue_drops}};
  all["proc"] = processes(server);
  all["proc"]["short_packets"] = workers.short_packets;
  json& limits = all["srv_limits"];
  limits = {{"open_fds", open + open_descriptors()}, {"fd_util_pct", workers.fullest}};
  add_host_limits(limits, workers.tcp + workers.udp);
  all["wg_hs"] = handshakes(server, wall);
  return all;
}

std::string status_text(const json& object) {
  std::string text;
  append(text, object);
  return text;
}

void StatusLine::tick(const Server& server, base::Time now, base::WallTime wall) {
  if (settings_.interval.count() == 0 || now < next_) return;
  next_ = now + settings_.interval;
  const json object = status_object(server, wall);
  base::log::info("metrics: {}", settings_.json ? object.dump() : status_text(object));
}

}  // namespace culvert::control
