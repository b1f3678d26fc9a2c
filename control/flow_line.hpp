// flow_line: a flow record as a JSON object on a line of its own, for the flow log.
//
// One line:
//   time      when it was written down, RFC 3339, UTC
//   start, end, duration    first and last packet of the flow so far; seconds
//   peer, group, protocol (tcp, udp, icmp), client, client_port, origin, origin_port
//   forward   true if it was opened from outside, by a port forward
//   up_packets, up_bytes, up_payload, down_packets, down_bytes, down_payload
//             since the flow's last line: the sum over lines is the flow's total
//   reason    interim (it goes on), finished, idle, forced, lack
//   first     true in the first line of a flow: their number is the number of flows
//   id        the same in all lines of a flow, while one server runs
#pragma once

#include <string>

#include "base/time.hpp"
#include "control/flow_change.hpp"

namespace culvert::control {

std::string flow_line(const FlowChange& change, base::WallTime when);  // with its newline

}  // namespace culvert::control
