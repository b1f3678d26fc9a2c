// The parts of the configuration that stand in more than one place: egress rules and limits are
// global, of a group and of a peer.
#pragma once

#include <string_view>

#include "app/config_reader.hpp"

namespace culvert::app {

// allow and deny
void read_egress_rules(TableReader& egress, proxy::EgressRules& rules);
// What one client may have; the rest is of the whole server.
void read_client_limits(TableReader& limits, proxy::Limits& out);
void read_worker_limits(TableReader& limits, proxy::Limits& out);
// down, up, quota, dns_lists, full_cone, egress, limits
void read_policy(TableReader& table, Policy& policy, Findings& findings);

// "name:80", "1.2.3.4:80" or "[::1]:80"; nothing is looked up.
bool is_host_port(std::string_view text);
// A prefix whose host bits are zero (or masked, where the node is lenient); reports what it is not.
bool read_prefix(TableReader& table, std::string_view key, const Node& node, Findings& findings,
                 base::Prefix& out);

}  // namespace culvert::app
