// DevicePlan: what the peers will be after a change by WireGuard's own tools, worked out before
// anything is changed. As with a kernel's device, peers are changed one by one in the order given,
// and an allowed IP moves from the peer that had it.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "app/config.hpp"
#include "app/registry.hpp"
#include "control/outcome.hpp"
#include "control/server.hpp"

namespace culvert::app {

class DevicePlan {
 public:
  // A step of the way, to be made in order.
  struct Step {
    enum class Kind : std::uint8_t { remove, change, add };
    Kind kind = Kind::change;
    wg::PublicKey key;
    PeerEntry entry;  // of change and add
  };
  // What the database is to hold of a peer.
  struct Kept {
    wg::PublicKey key;
    std::string name, definition;  // an empty definition = nothing
  };

  DevicePlan(const Registry& registry, const Config& config)
      : registry_(registry), config_(config) {}

  // Takes the keys out of `change`, whose peer with the key `own` is left alone. The problem, if it
  // cannot be done as a whole.
  std::optional<control::Problem> make(control::DeviceChange& change, const wg::PublicKey& own);

  std::vector<Step>& steps() noexcept { return steps_; }
  std::vector<Kept> kept() const;  // of every peer of the database that is another afterwards

 private:
  struct Place {
    std::optional<PeerEntry> entry;  // none = it is gone
    control::Source source = control::Source::file;
  };

  Place* find(const wg::PublicKey& key);
  std::optional<control::Problem> take(control::PeerChange& change);
  std::optional<control::Problem> add(control::PeerChange& change);
  void remove(const wg::PublicKey& key);
  void replace(const wg::PublicKey& key, PeerEntry entry);
  void take_prefixes(const PeerEntry& from_others);
  std::string free_name(const wg::PublicKey& key) const;

  const Registry& registry_;
  const Config& config_;
  std::vector<Step> steps_;
  std::size_t added_ = 0;
  std::unordered_map<wg::PublicKey, Place, wg::PublicKeyHash> places_;
  std::vector<wg::PublicKey> order_;  // in which they were touched
  std::map<base::Prefix, wg::PublicKey> holders_;
  std::set<std::string> names_;
};

// A copy with its key: entries are not copied by accident.
PeerEntry clone(const PeerEntry& entry);

}  // namespace culvert::app
