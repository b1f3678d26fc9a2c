// What a new configuration changes of the one that runs: which parts of a peer, and which keys can
// hold at once. Pure; the reload acts on it.
#pragma once

#include <string>
#include <vector>

#include "app/config.hpp"

namespace culvert::app {

struct PeerDifference {
  bool name = false, preshared_key = false, allowed_ips = false, endpoint = false,
       keepalive = false;
  bool client = false;    // group, egress, limits, full cone, DNS: what its worker acts on
  bool accounts = false;  // rates, quota, expiry, hours, group: what the supervisor acts on

  bool any() const noexcept {
    return name || preshared_key || allowed_ips || endpoint || keepalive || client || accounts;
  }
};
PeerDifference difference(const PeerEntry& was, const PeerEntry& is);

struct SettingsDifference {
  std::vector<std::string> live;          // keys that can change while the server runs
  std::vector<std::string> need_restart;  // keys that cannot
};
// Everything but the peers and the control plane's own settings.
SettingsDifference difference(const Config& was, const Config& is);

// Moves what may change live from `from` to `to`.
void take_live_settings(Config& to, Config& from);

}  // namespace culvert::app
