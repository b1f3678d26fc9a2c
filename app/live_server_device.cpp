// LiveServer: what WireGuard's own tools change by the UAPI. All that can fail is tried first: the
// peers are planned, sockets opened, the mark tried, the database written; then it is made.
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "app/device_plan.hpp"
#include "app/live_server.hpp"
#include "base/log.hpp"

namespace culvert::app {

namespace log = base::log;
using control::Nothing;
using control::Peer;
using control::Problem;
using control::Source;

namespace {

bool mark(int socket, std::uint32_t value) noexcept {
  return ::setsockopt(socket, SOL_SOCKET, SO_MARK, &value, sizeof value) == 0;
}

bool mark(const TunnelSockets& sockets, std::uint32_t value) noexcept {
  for (const auto& group : sockets.groups)
    for (const base::FileDescriptor& socket : group.sockets)
      if (!mark(socket.get(), value)) return false;
  return true;
}

std::optional<Problem> try_mark(std::uint32_t value) {
  const base::FileDescriptor trial(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (trial && mark(trial.get(), value)) return std::nullopt;
  const auto why = std::error_code(errno, std::generic_category()).message();
  return Problem{403,
                 "Mark refused",
                 fmt::format("fwmark {}: the kernel refuses SO_MARK to this user: {}", value, why),
                 {{"fwmark", why}}};
}

}  // namespace

// `opened` stays empty where the port stays.
std::optional<Problem> LiveServer::open_sockets(const control::DeviceChange& change,
                                                TunnelSockets& opened) const {
  const std::uint32_t value = change.fwmark.value_or(fwmark_);
  if (value != fwmark_)
    if (auto refused = try_mark(value)) return refused;
  if (!change.listen_port || *change.listen_port == info_.listen.front().port) return std::nullopt;
  std::vector<base::Endpoint> listen = runtime_.config->listen;
  for (base::Endpoint& each : listen) each.port = *change.listen_port;
  try {
    opened = open_tunnel_sockets(*runtime_.config, listen, runtime_.workers);
  } catch (const std::runtime_error& error) {
    return Problem{409, "Port not available", {}, {{"listen_port", error.what()}}};
  }
  if (value != 0) mark(opened, value);
  return std::nullopt;
}

// All of it in the database, or the problem and nothing of it.
std::optional<Problem> LiveServer::keep(const std::vector<DevicePlan::Kept>& kept) {
  if (kept.empty()) return std::nullopt;
  std::vector<Inactive> inactive = inactive_;
  std::optional<Problem> failed;
  begin_storing();
  for (const auto& [key, name, definition] : kept)
    if (!failed) failed = definition.empty() ? unstore(key) : store(key, name, definition);
  if (auto unsaved = end_storing(); unsaved && !failed) failed = std::move(unsaved);
  if (failed) inactive_ = std::move(inactive);
  return failed;
}

// True if the workers must be started anew for it. `sockets` are those to close then.
bool LiveServer::take_device(control::DeviceChange& change, TunnelSockets& sockets) {
  bool restart = false;
  if (!sockets.groups.empty()) {
    std::swap(sockets, runtime_.sockets);
    info_.listen.clear();
    for (const auto& group : runtime_.sockets.groups) info_.listen.push_back(group.local);
    log::info("listening on port {} now", info_.listen.front().port);
    restart = true;
  }
  if (change.fwmark) {
    mark(runtime_.sockets, *change.fwmark);
    fwmark_ = *change.fwmark;
  }
  if (change.private_key && !(*change.private_key == runtime_.config->private_key)) {
    runtime_.config->private_key = std::move(*change.private_key);
    info_.public_key = wg::public_key_of(runtime_.config->private_key);
    log::warn("the private key was changed; the configuration still names the old one");
    restart = true;
  }
  return restart;
}

void LiveServer::take_peers(DevicePlan& plan, std::vector<DevicePlan::Kept> kept, Answers& wait) {
  using Kind = DevicePlan::Step::Kind;
  for (DevicePlan::Step& step : plan.steps()) {
    if (step.kind == Kind::add) {
      const Peer& peer = insert({std::move(step.entry), Source::database, {}}, wait);
      events_.publish(control::EventKind::peer_added, peer.entry.name, "added");
      continue;
    }
    const Peer& peer = *find(step.key);
    if (step.kind == Kind::change) {
      replace(peer.slot, std::move(step.entry), wait);
      continue;
    }
    if (peer.source == Source::file)
      log::warn("peer {} of the configuration file is removed until the next reload",
                peer.entry.name);
    erase(peer.slot, wait);
  }
  for (DevicePlan::Kept& each : kept)
    if (Peer* peer = runtime_.registry.find(each.key))
      peer->definition = std::move(each.definition);
  tell_all(wait);
}

// One after another, so that the others go on meanwhile.
boost::asio::awaitable<std::string> LiveServer::restart_workers() {
  for (unsigned worker = 0; worker < runtime_.workers; ++worker) {
    const Wait wait = Answers::make(io_);
    workers_.restart(worker, [done = wait->expect()] { done({}); });
    const std::string error = co_await wait->wait();
    if (!error.empty()) co_return error;
  }
  co_return std::string();
}

LiveServer::Promise<> LiveServer::change_device(control::DeviceChange change) {
  const auto turn = co_await turns_.take();
  const wg::PublicKey own =
      change.private_key ? wg::public_key_of(*change.private_key) : info_.public_key;
  DevicePlan plan(runtime_.registry, *runtime_.config);
  TunnelSockets sockets;
  if (auto failed = plan.make(change, own)) co_return *failed;
  if (auto failed = open_sockets(change, sockets)) co_return *failed;
  std::vector<DevicePlan::Kept> kept = plan.kept();
  if (auto failed = keep(kept)) co_return *failed;

  const bool restart = take_device(change, sockets);
  const Wait wait = Answers::make(io_);
  take_peers(plan, std::move(kept), *wait);
  std::string error = co_await wait->wait();
  if (restart && error.empty()) error = co_await restart_workers();
  forget_unused_policies();
  if (!error.empty()) co_return Problem{500, "Not carried out", error, {}};
  co_return Nothing{};
}

}  // namespace culvert::app
