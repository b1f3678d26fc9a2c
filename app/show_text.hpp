// What `culvert show` prints: the layout of wg(8), and what culvert knows beyond it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/time.hpp"

namespace culvert::app {

// `status` and `peers` as /v1/status and the list of /v1/peers; `now` for how long ago things were.
std::string interface_text(const nlohmann::json& status, bool colours);
std::string peer_text(const nlohmann::json& peer, base::WallTime now, bool colours);
// All peers, the latest handshake first.
std::string peers_text(const nlohmann::json& peers, base::WallTime now, bool colours);

// "stopped: the quota is used up", "connected" or "not connected".
std::string state_text(const nlohmann::json& peer);

}  // namespace culvert::app
