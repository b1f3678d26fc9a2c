// LiveServer: what it tells, and the small steps that its changes are made of.
#include "app/live_server.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "app/worker_peers.hpp"
#include "base/log.hpp"

namespace culvert::app {

namespace log = base::log;
using control::Peer;
using control::Problem;
using control::Source;

namespace {

// So many routes in one line: a few hundred microseconds of a worker's time.
constexpr std::size_t routes_a_line = 200;

control::ServerInfo server_info(const Runtime& runtime) {
  const Config& config = *runtime.config;
  control::ServerInfo info;
  info.version = CULVERT_VERSION;
  info.interface = config.interface;
  info.public_key = wg::public_key_of(config.private_key);
  for (const auto& group : runtime.sockets.groups) info.listen.push_back(group.local);
  for (const Config::Address& own : config.address)
    info.address.push_back(own.address.to_string() + "/" + std::to_string(own.network.length()));
  // A command that asks may run in another folder.
  if (!config.file.empty()) {
    std::error_code none;
    info.config_file = std::filesystem::absolute(config.file, none).lexically_normal().string();
  }
  info.mtu = config.mtu;
  info.started = base::WallTime(std::chrono::system_clock::now());
  info.file_limit = runtime.file_limit;
  return info;
}

}  // namespace

LiveServer::LiveServer(Parts parts)
    : io_(parts.io),
      runtime_(parts.runtime),
      workers_(parts.workers),
      events_(parts.events),
      store_(parts.store),
      load_again_(std::move(parts.load_again)),
      info_(server_info(parts.runtime)),
      turns_(parts.io) {
  runtime_.groups.set(runtime_.config->groups);
  write_group_controls(runtime_);
}

const Peer* LiveServer::find(const wg::PublicKey& key) const {
  return std::as_const(runtime_.registry).find(key);
}

const Peer* LiveServer::find(std::string_view name) const {
  if (const Peer* peer = std::as_const(runtime_.registry).find(name)) return peer;
  const auto key = wg::PublicKey::parse(name);
  return key ? find(*key) : nullptr;
}

const base::PeerCounters& LiveServer::counters(std::uint32_t slot) const {
  return runtime_.shared.peer(slot);
}

base::PeerControls& LiveServer::controls(std::uint32_t slot) {
  return runtime_.shared.controls(slot);
}

const base::WorkerCounters& LiveServer::worker_counters(unsigned worker) const {
  return runtime_.shared.worker(worker);
}

base::GroupControls& LiveServer::group_controls(std::size_t group) {
  return runtime_.shared.groups()[group];
}

const Peer& LiveServer::enter(Wanted wanted) {
  const Peer& peer =
      runtime_.registry.add(std::move(wanted.entry), wanted.source, std::move(wanted.definition));
  runtime_.shared.clear_peer(peer.slot);
  write_controls(runtime_, peer.slot);
  return peer;
}

const Peer& LiveServer::insert(Wanted wanted, Answers& wait) {
  const Peer& peer = enter(std::move(wanted));
  if (observer_) observer_->on_peer_added(peer);
  workers_.order(peer.worker, add_order(peer.slot, peer.entry, runtime_.numbers), wait.expect());
  note_routes(peer, true);
  note_name(peer.entry.name);
  log::info("peer {} added", peer.entry.name);
  return peer;
}

bool LiveServer::replace(std::uint32_t slot, PeerEntry entry, Answers& wait) {
  const Peer& peer = *runtime_.registry.at(slot);
  const PeerDifference differs = difference(peer.entry, entry);
  if (differs.allowed_ips) note_routes(peer, false);
  if (differs.name) note_name(peer.entry.name);
  runtime_.registry.change(slot, std::move(entry));
  const PeerEntry& now = peer.entry;
  if (differs.allowed_ips) note_routes(peer, true);
  if (differs.name || differs.allowed_ips) note_name(now.name);
  if (differs.accounts) write_controls(runtime_, slot);

  ChangePeer order;
  order.slot = slot;
  if (differs.name) order.name = now.name;
  if (differs.preshared_key) order.preshared_key = now.preshared_key.clone();
  if (differs.allowed_ips) order.allowed_ips = now.allowed_ips;
  if (differs.endpoint) order.endpoint = now.endpoint;
  if (differs.keepalive) order.persistent_keepalive = now.persistent_keepalive;
  if (differs.client) order.policy = client_policy(now, runtime_.numbers);
  if (!order.empty()) workers_.order(peer.worker, std::move(order), wait.expect());
  return differs.any();
}

void LiveServer::erase(std::uint32_t slot, Answers& wait) {
  const Peer& peer = *runtime_.registry.at(slot);
  const std::string name = peer.entry.name;
  const unsigned worker = peer.worker;
  const bool was_up = runtime_.registry.memory(slot).up;
  note_routes(peer, false);
  note_name(name);
  runtime_.registry.remove(slot);
  workers_.order(worker, RemovePeer{slot},
                 [this, slot, name, was_up, done = wait.expect()](Workers::Answer answer) {
                   if (observer_) observer_->on_peer_left(slot);
                   runtime_.registry.give_back(slot);
                   log::info("peer {} removed", name);
                   if (was_up)
                     events_.publish(control::EventKind::disconnect, name, "it was removed");
                   events_.publish(control::EventKind::peer_removed, name, "removed");
                   done(std::move(answer));
                 });
}

void LiveServer::note_routes(const Peer& peer, bool added) {
  if (!runtime_.config->overlay) return;  // nobody asks for them
  for (const base::Prefix& prefix : peer.entry.allowed_ips)
    (added ? routes_.added : routes_.removed).push_back({prefix, {peer.slot, peer.worker}});
}

void LiveServer::tell_all(Answers& wait) {
  tell_routes(wait);
  tell_names(wait);
}

void LiveServer::tell_routes(Answers& wait) {
  const ChangeRoutes all = std::exchange(routes_, {});
  const auto tell = [&](const std::vector<ChangeRoutes::Route>& routes, auto member) {
    for (std::size_t at = 0; at < routes.size(); at += routes_a_line) {
      const auto end = std::min(routes.size(), at + routes_a_line);
      ChangeRoutes part;
      (part.*member)
          .assign(routes.begin() + std::ptrdiff_t(at), routes.begin() + std::ptrdiff_t(end));
      for (unsigned worker = 0; worker < runtime_.workers; ++worker)
        workers_.order(worker, part, wait.expect());
    }
  };
  tell(all.removed, &ChangeRoutes::removed);
  tell(all.added, &ChangeRoutes::added);
}

void LiveServer::forget_unused_policies() {
  const auto rules = runtime_.numbers.egress.prune(), policies = runtime_.numbers.dns.prune();
  for (unsigned worker = 0; worker < runtime_.workers; ++worker) {
    if (!rules.empty()) workers_.order(worker, ForgetRules{rules}, [](Workers::Answer) {});
    if (!policies.empty())
      workers_.order(worker, ForgetDnsPolicies{policies}, [](Workers::Answer) {});
  }
}

// What a worker wrote is taken as a stranger's word: its own peers', or one's that is gone by now.
void LiveServer::take_records(const std::function<void(const proxy::FlowRecord&)>& each) {
  using Record = proxy::FlowRecord;
  for (unsigned worker = 0; worker < runtime_.workers; ++worker) {
    proxy::FlowRing& ring = runtime_.shared.records(worker);
    Record record;
    for (std::size_t n = 0; n < proxy::FlowRing::capacity && ring.pop(record); ++n) {
      const Peer* peer = runtime_.registry.at(record.peer);
      if (record.peer >= runtime_.registry.capacity() || (peer && peer->worker != worker) ||
          record.end > Record::End::lack || record.state > Record::State::closed)
        continue;
      each(record);
    }
  }
}

LiveServer::Promise<std::vector<proxy::FlowRecord>> LiveServer::flows(control::FlowFilter filter) {
  const Wait wait = Answers::make(io_);
  const Peer* only = filter.peer ? runtime_.registry.at(*filter.peer) : nullptr;
  if (filter.peer && !only) co_return Problem{404, "Peer not found", "no peer has this slot", {}};
  for (unsigned worker = 0; worker < runtime_.workers; ++worker)
    if (!only || only->worker == worker)
      workers_.order(worker, ListFlows{filter.peer, filter.limit}, wait->expect());
  const std::string error = co_await wait->wait();
  if (!error.empty()) co_return Problem{503, "Flows not available", error, {}};
  auto flows = std::move(wait->flows());
  std::erase_if(flows,
                [&](const proxy::FlowRecord& flow) { return !runtime_.registry.at(flow.peer); });
  if (flows.size() > filter.limit) flows.resize(filter.limit);
  co_return flows;
}

}  // namespace culvert::app
