#include "app/device_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/differences.hpp"
#include "app/peer_definition.hpp"

namespace culvert::app {

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

}  // namespace

PeerEntry clone(const PeerEntry& entry) {
  return {.name = entry.name,
          .public_key = entry.public_key,
          .preshared_key = entry.preshared_key.clone(),
          .allowed_ips = entry.allowed_ips,
          .endpoint = entry.endpoint,
          .endpoint_text = entry.endpoint_text,
          .persistent_keepalive = entry.persistent_keepalive,
          .group = entry.group,
          .policy = entry.policy,
          .place = entry.place,
          .line = entry.line,
          .last_line = entry.last_line};
}

std::optional<Problem> DevicePlan::make(control::DeviceChange& change, const wg::PublicKey& own) {
  if (change.replace_peers) {
    std::set<wg::PublicKey> named;
    for (const PeerChange& each : change.peers) named.insert(each.public_key);
    for (const control::Peer* peer : registry_.peers())
      if (!named.contains(peer->entry.public_key)) remove(peer->entry.public_key);
  }
  for (PeerChange& each : change.peers)
    if (each.public_key != own)
      if (auto failed = take(each)) return failed;
  // Slots of those that go are not free before their workers let go of them.
  if (added_ > registry_.room())
    return Problem{507,
                   "No room for another peer",
                   fmt::format("{} more, and there is room for {}; nothing was changed", added_,
                               registry_.room()),
                   {}};
  return std::nullopt;
}

// The peer as it is by now; null if there is none.
DevicePlan::Place* DevicePlan::find(const wg::PublicKey& key) {
  const auto known = places_.find(key);
  if (known != places_.end()) return known->second.entry ? &known->second : nullptr;
  const control::Peer* peer = registry_.find(key);
  if (!peer) return nullptr;
  order_.push_back(key);
  return &places_.emplace(key, Place{clone(peer->entry), peer->source}).first->second;
}

std::optional<Problem> DevicePlan::take(PeerChange& change) {
  Place* place = find(change.public_key);
  if (change.remove) {
    if (place) remove(change.public_key);
    return std::nullopt;
  }
  if (!place) return change.update_only ? std::nullopt : add(change);
  PeerEntry entry = clone(*place->entry);
  apply(change, entry);
  if (!difference(*place->entry, entry).any()) return std::nullopt;
  take_prefixes(entry);
  replace(change.public_key, std::move(entry));
  return std::nullopt;
}

std::optional<Problem> DevicePlan::add(PeerChange& change) {
  const wg::PublicKey key = change.public_key;
  const json definition{{"name", free_name(key)}, {"public_key", key.to_string()}};
  auto read = read_definition(definition, config_);
  if (!read) return read.problem();
  PeerEntry entry = std::move(*read);
  apply(change, entry);
  entry.place = "the state database";
  take_prefixes(entry);
  names_.insert(entry.name);
  ++added_;
  steps_.push_back({Step::Kind::add, key, clone(entry)});
  const auto [known, fresh] = places_.try_emplace(key);
  if (fresh) order_.push_back(key);
  known->second = {std::move(entry), Source::database};
  return std::nullopt;
}

void DevicePlan::remove(const wg::PublicKey& key) {
  if (Place* place = find(key)) place->entry.reset();
  steps_.push_back({Step::Kind::remove, key, {}});
}

void DevicePlan::replace(const wg::PublicKey& key, PeerEntry entry) {
  steps_.push_back({Step::Kind::change, key, clone(entry)});
  places_.at(key).entry = std::move(entry);
}

// Others lose what `from_others` is to have.
void DevicePlan::take_prefixes(const PeerEntry& from_others) {
  for (const base::Prefix& prefix : from_others.allowed_ips) {
    const auto [known, fresh] = holders_.try_emplace(prefix);
    std::optional<wg::PublicKey> holder;
    if (!fresh)
      holder = known->second;
    else if (const control::Peer* peer = registry_.holder(prefix))
      holder = peer->entry.public_key;
    known->second = from_others.public_key;
    if (!holder || *holder == from_others.public_key) continue;
    const Place* place = find(*holder);
    if (!place ||
        std::ranges::find(place->entry->allowed_ips, prefix) == place->entry->allowed_ips.end())
      continue;
    PeerEntry left = clone(*place->entry);
    std::erase(left.allowed_ips, prefix);
    replace(*holder, std::move(left));
  }
}

std::string DevicePlan::free_name(const wg::PublicKey& key) const {
  const std::string wish = made_name(key);
  std::string name = wish;
  for (unsigned number = 2; registry_.find(name) || names_.contains(name); ++number)
    name = fmt::format("{}-{}", wish, number);
  return name;
}

std::vector<DevicePlan::Kept> DevicePlan::kept() const {
  std::vector<Kept> all;
  for (const wg::PublicKey& key : order_) {
    const Place& place = places_.at(key);
    const control::Peer* was = registry_.find(key);
    const bool stored = was && was->source == Source::database;
    if (!place.entry) {
      if (stored) all.push_back({key, was->entry.name, {}});
    } else if (place.source == Source::database &&
               (!stored || difference(was->entry, *place.entry).any())) {
      all.push_back({key, place.entry->name,
                     definition_of(*place.entry, stored ? was->definition : std::string())});
    }
  }
  return all;
}

}  // namespace culvert::app
