#include "app/registry.hpp"

#include <fmt/format.h>

#include "base/assert.hpp"

namespace culvert::app {

using control::FieldProblem;
using control::PeerEntry;

std::vector<const Registry::Peer*> Registry::peers() const {
  std::vector<const Peer*> all;
  all.reserve(size());
  for (const auto& place : slots_)
    if (place) all.push_back(&place->peer);
  return all;
}

Registry::Peer* Registry::at(Slot slot) noexcept {
  return slot < slots_.size() && slots_[slot] ? &slots_[slot]->peer : nullptr;
}

const Registry::Peer* Registry::at(Slot slot) const noexcept {
  return slot < slots_.size() && slots_[slot] ? &slots_[slot]->peer : nullptr;
}

Registry::Peer* Registry::find(const wg::PublicKey& key) noexcept {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : at(found->second);
}

const Registry::Peer* Registry::find(const wg::PublicKey& key) const noexcept {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : at(found->second);
}

const Registry::Peer* Registry::find(std::string_view name) const noexcept {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : at(found->second);
}

const Registry::Peer* Registry::holder(const base::Prefix& prefix) const noexcept {
  const auto route = routes_.holder(prefix);
  return route ? at(route->peer) : nullptr;
}

std::vector<FieldProblem> Registry::conflicts(const PeerEntry& entry,
                                              std::optional<Slot> self) const {
  std::vector<FieldProblem> found;
  const auto other = [&](const Peer* peer) { return peer && peer->slot != self; };
  if (const Peer* peer = find(entry.public_key); other(peer))
    found.push_back({"public_key", fmt::format("peer \"{}\" has this key", peer->entry.name)});
  if (const Peer* peer = find(entry.name); other(peer))
    found.push_back({"name", fmt::format("another peer has the name \"{}\"", entry.name)});
  for (std::size_t i = 0; i < entry.allowed_ips.size(); ++i)
    if (const Peer* peer = holder(entry.allowed_ips[i]); other(peer))
      found.push_back({fmt::format("allowed_ips/{}", i),
                       fmt::format("{} belongs to peer \"{}\"", entry.allowed_ips[i].to_string(),
                                   peer->entry.name)});
  return found;
}

std::string Registry::free_name(const std::string& wish) const {
  std::string name = wish;
  for (unsigned number = 2; find(name); ++number) name = fmt::format("{}-{}", wish, number);
  return name;
}

Registry::Peer& Registry::add(PeerEntry entry, control::Source source, std::string definition) {
  BASE_ASSERT(!full() && !find(entry.public_key));
  Slot slot = Slot(slots_.size());
  if (slots_.size() < capacity_) {
    slots_.emplace_back();
  } else {
    slot = free_.front();
    free_.pop_front();
  }
  slots_[slot] = std::make_unique<Place>();
  Peer& peer = slots_[slot]->peer;
  peer.worker = wg::owner_of(entry.public_key, workers_);
  peer.endpoint = entry.endpoint;
  peer.entry = std::move(entry);
  peer.source = source;
  peer.slot = slot;
  peer.definition = std::move(definition);
  by_key_.emplace(peer.entry.public_key, slot);
  enter(peer);
  return peer;
}

void Registry::enter(const Peer& peer) {
  by_name_[peer.entry.name] = peer.slot;
  for (const base::Prefix& prefix : peer.entry.allowed_ips)
    routes_.add(prefix, {peer.slot, peer.worker});
}

// What another peer has taken meanwhile stays that one's.
void Registry::leave(const Peer& peer) {
  const auto name = by_name_.find(peer.entry.name);
  if (name != by_name_.end() && name->second == peer.slot) by_name_.erase(name);
  for (const base::Prefix& prefix : peer.entry.allowed_ips) routes_.remove(prefix, peer.slot);
}

void Registry::change(Slot slot, PeerEntry entry) {
  Peer& peer = slots_[slot]->peer;
  BASE_ASSERT(peer.entry.public_key == entry.public_key);
  leave(peer);
  peer.entry = std::move(entry);
  enter(peer);
}

void Registry::remove(Slot slot) {
  leave(slots_[slot]->peer);
  by_key_.erase(slots_[slot]->peer.entry.public_key);
  slots_[slot].reset();
}

}  // namespace culvert::app
