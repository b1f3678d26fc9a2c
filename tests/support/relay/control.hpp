// The relay's control protocol: one JSON object a line in, one a line out.
//   {"set": {"up": {"loss": 0.1}, "down": {...}, "rebind_every_ms": 0, "mapping_expiry_ms": 2000,
//            "record": 4096}}
//   {"command": "counters"}   {"command": "rebind"}
//   {"command": "replay", "direction": "up", "other_source": true}
#pragma once

#include <string>

#include "relay/relay.hpp"

namespace culvert::relay {

// Never throws: a bad request is answered with {"error": ...} and changes nothing after the
// mistake.
std::string answer(Relay& relay, const std::string& request);

}  // namespace culvert::relay
