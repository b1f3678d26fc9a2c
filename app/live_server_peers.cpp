// LiveServer: peers that are added, changed and removed while it runs.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/config_edit.hpp"
#include "app/live_server.hpp"
#include "app/peer_definition.hpp"
#include "base/log.hpp"

namespace culvert::app {

namespace log = base::log;
using control::EventKind;
using control::FieldProblem;
using control::Nothing;
using control::Peer;
using control::Problem;
using control::Source;
using nlohmann::json;

namespace {

Problem conflict(std::vector<FieldProblem> fields) {
  return {409, "Taken by another peer", {}, std::move(fields)};
}

Problem no_room(std::size_t capacity) {
  return {507,
          "No room for another peer",
          fmt::format("this server has room for {} peers until it is started anew", capacity),
          {}};
}

Problem not_done(const std::string& error) {
  return {500, "Not carried out", error, {}};
}

std::string said_of(const Peer& peer) {
  return fmt::format("\"public_key\":\"{}\"", peer.entry.public_key.to_string());
}

}  // namespace

// Where the definition names no address of its own: the next free ones.
std::optional<Problem> LiveServer::give_addresses(json& definition) const {
  if (!definition.is_object() || definition.contains("allowed_ips")) return std::nullopt;
  std::vector<base::Prefix> held;
  for (const Peer* peer : runtime_.registry.peers())
    held.insert(held.end(), peer->entry.allowed_ips.begin(), peer->entry.allowed_ips.end());
  const auto free = free_addresses(runtime_.config->address, held);
  if (!free) return conflict({{"allowed_ips", free.error() + "; expected some to be named"}});
  json list = json::array();
  for (const base::Prefix& prefix : *free) list.push_back(prefix.to_string());
  definition["allowed_ips"] = std::move(list);
  return std::nullopt;
}

LiveServer::Promise<std::string> LiveServer::add_peer(json definition) {
  const auto turn = co_await turns_.take();
  if (auto none = give_addresses(definition)) co_return *none;
  auto entry = read_definition(definition, *runtime_.config);
  if (!entry) co_return entry.problem();
  if (runtime_.registry.full()) co_return no_room(runtime_.registry.capacity());
  if (auto taken = runtime_.registry.conflicts(*entry); !taken.empty())
    co_return conflict(std::move(taken));

  definition["name"] = entry->name;
  entry->place = "the state database";
  const std::string name = entry->name;
  const wg::PublicKey key = entry->public_key;
  std::string text = definition.dump();
  wipe_definition(definition);
  if (auto failed = store(key, name, text)) co_return *failed;

  const Wait wait = Answers::make(io_);
  const std::uint32_t slot =
      insert({std::move(*entry), Source::database, std::move(text)}, *wait).slot;
  tell_all(*wait);
  give_trust(*wait);
  const std::string error = co_await wait->wait();
  if (!error.empty()) {
    const Wait undone = Answers::make(io_);
    erase(slot, *undone);
    tell_all(*undone);
    co_await undone->wait();
    unstore(key);
    co_return not_done(error);
  }
  events_.publish(EventKind::peer_added, name, "added", said_of(*runtime_.registry.at(slot)));
  co_return name;
}

// Null and why, if it is not there or not to be changed here.
const Peer* LiveServer::changeable(std::string_view name, std::optional<Problem>& why) const {
  const Peer* peer = find(name);
  if (!peer) {
    why = Problem{404, "Peer not found", fmt::format("no peer \"{}\"", name), {}};
    return nullptr;
  }
  if (peer->source == Source::database) return peer;
  why = Problem{409,
                "Peer of the configuration file",
                fmt::format("peer \"{}\" stands at {}: change it there and reload",
                            peer->entry.name, peer->entry.place),
                {}};
  return nullptr;
}

LiveServer::Promise<> LiveServer::change_peer(std::string name, json merge_patch) {
  const auto turn = co_await turns_.take();
  std::optional<Problem> why;
  const Peer* peer = changeable(name, why);
  if (!peer) co_return *why;
  if (!merge_patch.is_object())
    co_return Problem{400, "Malformed change", "expected an object with what changes", {}};
  json definition = json::parse(peer->definition);
  definition.merge_patch(merge_patch);
  wipe_definition(merge_patch);
  if (auto none = give_addresses(definition)) co_return *none;
  auto entry = read_definition(definition, *runtime_.config);
  if (!entry) co_return entry.problem();
  if (entry->public_key != peer->entry.public_key)
    co_return conflict({{"public_key", "is the peer itself: remove it and add another"}});
  if (auto taken = runtime_.registry.conflicts(*entry, peer->slot); !taken.empty())
    co_return conflict(std::move(taken));

  definition["name"] = entry->name;
  entry->place = peer->entry.place;
  std::string text = definition.dump();
  wipe_definition(definition);
  if (auto failed = store(entry->public_key, entry->name, text)) co_return *failed;
  const Wait wait = Answers::make(io_);
  const std::uint32_t slot = peer->slot;
  replace(slot, std::move(*entry), *wait);
  runtime_.registry.at(slot)->definition = std::move(text);
  tell_all(*wait);
  give_trust(*wait);
  const std::string error = co_await wait->wait();
  forget_unused_policies();
  if (!error.empty()) co_return not_done(error);
  log::info("peer {} changed", runtime_.registry.at(slot)->entry.name);
  co_return Nothing{};
}

LiveServer::Promise<> LiveServer::remove_peer(std::string name) {
  const auto turn = co_await turns_.take();
  const auto inactive = std::ranges::find_if(
      inactive_, [&](const Inactive& each) { return each.stored.name == name; });
  if (inactive != inactive_.end() && !find(name)) {
    if (auto failed = unstore(inactive->stored.public_key)) co_return *failed;
    inactive_.erase(inactive);
    co_return Nothing{};
  }
  std::optional<Problem> why;
  const Peer* peer = changeable(name, why);
  if (!peer) co_return *why;
  if (auto failed = unstore(peer->entry.public_key)) co_return *failed;
  const Wait wait = Answers::make(io_);
  erase(peer->slot, *wait);
  tell_all(*wait);
  const std::string error = co_await wait->wait();
  forget_unused_policies();
  if (!error.empty()) co_return not_done(error);
  co_return Nothing{};
}

}  // namespace culvert::app
