// What a peer is to whoever configures it: identity, routes, and the policy it ends up with.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.hpp"
#include "base/time.hpp"
#include "control/hours.hpp"
#include "dns/settings.hpp"
#include "proxy/egress_policy.hpp"
#include "proxy/limits.hpp"
#include "wg/keys.hpp"

namespace culvert::control {

// So many bytes (inner packets, up and down together) in a calendar day, week or month of the
// configured time zone.
struct Quota {
  enum class Period { day, week, month };
  std::uint64_t bytes = 0;
  Period period = Period::month;
  // Of a week: 1 = Monday to 7; of a month: 1 to 31, the last day where the month is shorter.
  unsigned reset_day = 1;
  // Bits per second when it is used up; both 0 = the client is stopped until the reset.
  std::uint64_t over_up = 0, over_down = 0;
  friend bool operator==(const Quota&, const Quota&) = default;
};

// What a group sets and a peer may override, and what a peer ends up with.
struct Policy {
  std::shared_ptr<const proxy::EgressRules> egress;  // null = only the global rules
  proxy::Limits limits;                              // the global ones where nothing was said
  bool full_cone = false;                            // UDP replies from anyone
  std::uint64_t down = 0, up = 0;                    // bits per second of payload, 0 = unlimited
  std::optional<Quota> quota;
  std::optional<base::WallTime> expires;   // from then on the client is stopped
  Hours hours;                             // when it may be used; empty = always
  std::shared_ptr<const dns::Policy> dns;  // never null in what was read
};

// Every member has the policy for itself; the totals are of all members together.
struct GroupConfig : Policy {
  std::string name;
  std::uint64_t total_down = 0, total_up = 0;  // bits per second of payload, 0 = unlimited
  std::optional<Quota> total_quota;
};

struct PeerEntry {
  std::string name;
  wg::PublicKey public_key;
  wg::PresharedKey preshared_key;
  std::vector<base::Prefix> allowed_ips;
  std::optional<base::Endpoint> endpoint;  // none if its name was not looked up
  std::string endpoint_text;               // as it was written, "" = none
  std::chrono::seconds persistent_keepalive{0};
  std::string group;  // "" = none
  Policy policy;      // of the group, with the overrides of the peer: the one to act on
  std::string place;
  unsigned line = 0, last_line = 0;  // of its block in the file
};

}  // namespace culvert::control
