// LiveServer: what WireGuard's own tools change by the UAPI. As with a kernel's device, a change of
// several peers is made peer by peer, and an allowed IP moves from the peer that had it.
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>
#include <unordered_set>

#include "app/live_server.hpp"
#include "app/peer_definition.hpp"
#include "base/log.hpp"

namespace culvert::app {

namespace log = base::log;
using control::Nothing;
using control::Peer;
using control::PeerChange;
using control::Problem;
using control::Source;
using nlohmann::json;

namespace {

constexpr std::size_t made_name_size = 8;

// The start of the key: what `wg show` users know a peer by.
std::string made_name(const wg::PublicKey& key) {
  std::string name = key.to_string().substr(0, made_name_size);
  std::ranges::replace(name, '/', '_');
  return name;
}

std::vector<base::Prefix> changed_prefixes(const PeerChange& change,
                                           std::vector<base::Prefix> prefixes) {
  if (change.replace_allowed_ips) prefixes.clear();
  for (const auto& [prefix, removed] : change.allowed_ips) {
    std::erase(prefixes, prefix);
    if (!removed) prefixes.push_back(prefix);
  }
  return prefixes;
}

// Takes the change's preshared key.
void apply(PeerChange& change, PeerEntry& entry) {
  if (change.preshared_key) entry.preshared_key = std::move(*change.preshared_key);
  if (change.endpoint) {
    entry.endpoint = change.endpoint;
    entry.endpoint_text = change.endpoint->to_string();
  }
  if (change.persistent_keepalive) entry.persistent_keepalive = *change.persistent_keepalive;
  entry.allowed_ips = changed_prefixes(change, std::move(entry.allowed_ips));
}

// `definition` with what the UAPI can change as it is in `entry`.
std::string definition_of(const PeerEntry& entry, const std::string& definition) {
  json object = definition.empty() ? json::object() : json::parse(definition);
  object["name"] = entry.name;
  object["public_key"] = entry.public_key.to_string();
  object.erase("preshared_key");
  if (!entry.preshared_key.is_zero())
    object["preshared_key"] = wg::secret_key_text(entry.preshared_key);
  object["allowed_ips"] = json::array();
  for (const base::Prefix& prefix : entry.allowed_ips)
    object["allowed_ips"].push_back(prefix.to_string());
  object.erase("endpoint");
  if (entry.endpoint) object["endpoint"] = entry.endpoint->to_string();
  object["persistent_keepalive"] = entry.persistent_keepalive.count();
  std::string text = object.dump();
  wipe_definition(object);
  return text;
}

bool mark(const TunnelSockets& sockets, std::uint32_t value) {
  for (const auto& group : sockets.groups)
    for (const Descriptor& socket : group.sockets)
      if (::setsockopt(socket.get(), SOL_SOCKET, SO_MARK, &value, sizeof value) != 0) return false;
  return true;
}

}  // namespace

std::optional<Problem> LiveServer::set_mark(std::uint32_t value) {
  if (value == fwmark_) return std::nullopt;
  if (!mark(runtime_.sockets, value)) {
    const auto why = std::error_code(errno, std::generic_category()).message();
    return Problem{
        403,
        "Mark refused",
        fmt::format("fwmark {}: the kernel refuses SO_MARK to this user: {}", value, why),
        {}};
  }
  fwmark_ = value;
  return std::nullopt;
}

std::optional<Problem> LiveServer::open_port(std::uint16_t port, TunnelSockets& opened) const {
  std::vector<base::Endpoint> listen = runtime_.config->listen;
  for (base::Endpoint& each : listen) each.port = port;
  try {
    opened = open_tunnel_sockets(*runtime_.config, listen, runtime_.workers);
  } catch (const std::runtime_error& error) {
    return Problem{409, "Port not available", error.what(), {}};
  }
  if (fwmark_ != 0) mark(opened, fwmark_);
  return std::nullopt;
}

// Others lose what `from_others` is to have.
std::optional<Problem> LiveServer::take_prefixes(const PeerEntry& from_others, Answers& wait) {
  for (const base::Prefix& prefix : from_others.allowed_ips) {
    const Peer* holder = runtime_.registry.holder(prefix);
    if (!holder || holder->entry.public_key == from_others.public_key) continue;
    PeerEntry left = clone(holder->entry);
    std::erase(left.allowed_ips, prefix);
    std::string definition = holder->definition;
    if (holder->source == Source::database)
      if (auto failed = keep(left, definition)) return failed;
    const std::uint32_t slot = holder->slot;
    replace(slot, std::move(left), wait);
    runtime_.registry.at(slot)->definition = std::move(definition);
  }
  return std::nullopt;
}

// Brings a definition up to what the peer is now, and stores it.
std::optional<Problem> LiveServer::keep(const PeerEntry& entry, std::string& definition) {
  definition = definition_of(entry, definition);
  return store(entry.public_key, entry.name, definition);
}

std::optional<Problem> LiveServer::remove_by_key(const Peer& peer, Answers& wait) {
  if (peer.source == Source::database)
    if (auto failed = unstore(peer.entry.public_key)) return failed;
  if (peer.source == Source::file)
    log::warn("peer {} of the configuration file is removed until the next reload",
              peer.entry.name);
  erase(peer.slot, wait);
  return std::nullopt;
}

std::optional<Problem> LiveServer::add_by_key(PeerChange& change, Answers& wait) {
  if (runtime_.registry.full())
    return Problem{507,
                   "No room for another peer",
                   fmt::format("there is room for {}", runtime_.registry.capacity()),
                   {}};
  const json definition{{"name", runtime_.registry.free_name(made_name(change.public_key))},
                        {"public_key", change.public_key.to_string()}};
  auto entry = read_definition(definition, *runtime_.config);
  if (!entry) return entry.problem();
  apply(change, *entry);
  entry->place = "the state database";
  Wanted wanted{std::move(*entry), Source::database, {}};
  if (auto failed = take_prefixes(wanted.entry, wait)) return failed;
  if (auto failed = keep(wanted.entry, wanted.definition)) return failed;
  const Peer& peer = insert(std::move(wanted), wait);
  events_.publish(control::EventKind::peer_added, peer.entry.name, "added");
  return std::nullopt;
}

std::optional<Problem> LiveServer::change_by_key(PeerChange& change, Answers& wait) {
  if (change.public_key == info_.public_key) return std::nullopt;  // as a kernel does
  const Peer* peer = find(change.public_key);
  if (change.remove) return peer ? remove_by_key(*peer, wait) : std::nullopt;
  if (!peer) return change.update_only ? std::nullopt : add_by_key(change, wait);

  PeerEntry entry = clone(peer->entry);
  apply(change, entry);
  const PeerDifference differs = difference(peer->entry, entry);
  if (!differs.any()) return std::nullopt;
  std::string definition = peer->definition;
  if (auto failed = take_prefixes(entry, wait)) return failed;
  if (peer->source == Source::database)
    if (auto failed = keep(entry, definition)) return failed;
  const std::uint32_t slot = peer->slot;
  replace(slot, std::move(entry), wait);
  runtime_.registry.at(slot)->definition = std::move(definition);
  return std::nullopt;
}

// What is stored of it is written to the disk once, not for each of what may be thousands.
std::optional<Problem> LiveServer::change_peers(control::DeviceChange& change, Answers& wait) {
  std::unordered_set<wg::PublicKey, wg::PublicKeyHash> named;
  for (const PeerChange& each : change.peers) named.insert(each.public_key);
  begin_storing();
  std::optional<Problem> failed;
  if (change.replace_peers)
    for (const Peer* peer : peers())
      if (!failed && !named.contains(peer->entry.public_key)) failed = remove_by_key(*peer, wait);
  for (PeerChange& each : change.peers)
    if (!failed) failed = change_by_key(each, wait);
  if (auto unsaved = end_storing(); unsaved && !failed) failed = std::move(unsaved);
  return failed;
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
  TunnelSockets replaced;  // closed when no worker uses them any more
  bool restart = false;
  if (change.fwmark)
    if (auto failed = set_mark(*change.fwmark)) co_return *failed;
  if (change.listen_port && *change.listen_port != info_.listen.front().port) {
    if (auto failed = open_port(*change.listen_port, replaced)) co_return *failed;
    std::swap(replaced, runtime_.sockets);
    info_.listen.clear();
    for (const auto& group : runtime_.sockets.groups) info_.listen.push_back(group.local);
    log::info("listening on port {} now", info_.listen.front().port);
    restart = true;
  }
  if (change.private_key && !(*change.private_key == runtime_.config->private_key)) {
    runtime_.config->private_key = std::move(*change.private_key);
    info_.public_key = wg::public_key_of(runtime_.config->private_key);
    log::warn("the private key was changed; the configuration still names the old one");
    restart = true;
  }

  const Wait wait = Answers::make(io_);
  std::optional<Problem> failed = change_peers(change, *wait);
  tell_routes(*wait);
  std::string error = co_await wait->wait();
  if (restart && error.empty()) error = co_await restart_workers();
  forget_unused_rules();
  if (failed) co_return *failed;
  if (!error.empty()) co_return Problem{500, "Not carried out", error, {}};
  co_return Nothing{};
}

}  // namespace culvert::app
