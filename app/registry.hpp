// Registry: the peers of the running server by slot, which is their place in the memory shared with
// the workers. The supervisor keeps it current and workers are forked with it, so that a new worker
// starts with what holds now. Says whose a name, a key and an allowed IP is; tells nobody.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "app/peer_routes.hpp"
#include "control/outcome.hpp"
#include "control/server.hpp"
#include "wg/outbox.hpp"

namespace culvert::app {

// What is remembered of a peer for the next worker.
struct PeerMemory {
  std::optional<wg::Path> path;  // where it was last seen
  bool up = false;               // it had a session
};

class Registry {
 public:
  using Peer = control::Peer;
  using Slot = std::uint32_t;

  Registry(std::size_t capacity, unsigned workers) : capacity_(capacity), workers_(workers) {}

  std::size_t size() const noexcept { return by_key_.size(); }
  std::size_t capacity() const noexcept { return capacity_; }
  std::size_t room() const noexcept { return capacity_ - slots_.size() + free_.size(); }
  bool full() const noexcept { return room() == 0; }
  std::vector<const Peer*> peers() const;  // in order of their slots
  Peer* at(Slot slot) noexcept;            // null if nobody has it
  const Peer* at(Slot slot) const noexcept;
  Peer* find(const wg::PublicKey& key) noexcept;
  const Peer* find(const wg::PublicKey& key) const noexcept;
  const Peer* find(std::string_view name) const noexcept;
  const Peer* holder(const base::Prefix& prefix) const noexcept;  // of exactly this allowed IP
  PeerMemory& memory(Slot slot) noexcept { return slots_[slot]->memory; }
  const PeerRoutes& routes() const noexcept { return routes_; }
  PeerRoutes& routes() noexcept { return routes_; }

  // What of `entry` belongs to another peer than `self`, or to none.
  std::vector<control::FieldProblem> conflicts(const control::PeerEntry& entry,
                                               std::optional<Slot> self = {}) const;
  // A name that nobody has: `wish`, or it with a number behind.
  std::string free_name(const std::string& wish) const;

  // The key is new and there is room. A name or an allowed IP of another peer is this one's from
  // now on; that peer's entry is the caller's to change.
  Peer& add(control::PeerEntry entry, control::Source source, std::string definition);
  void change(Slot slot, control::PeerEntry entry);  // its key stays
  // Out of every list; its slot is nobody's until it is given back.
  void remove(Slot slot);
  // Nobody writes there any more. It is the last to be taken again.
  void give_back(Slot slot) { free_.push_back(slot); }

 private:
  struct Place {
    Peer peer;
    PeerMemory memory;
  };
  void enter(const Peer& peer);
  void leave(const Peer& peer);

  std::size_t capacity_;
  unsigned workers_;
  std::vector<std::unique_ptr<Place>> slots_;
  std::deque<Slot> free_;
  std::unordered_map<wg::PublicKey, Slot, wg::PublicKeyHash> by_key_;
  std::map<std::string, Slot, std::less<>> by_name_;
  PeerRoutes routes_;
};

}  // namespace culvert::app
