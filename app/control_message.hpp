// What a worker tells the supervisor: one JSON object a line. The supervisor treats it as it treats
// a stranger's word: a worker reads hostile packets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proxy/flow_record.hpp"
#include "wg/outbox.hpp"

namespace culvert::app {

struct Ready {  // its part of the start-up log
  std::string gso, gro, sandbox;
  friend bool operator==(const Ready&, const Ready&) = default;
};
struct Failed {  // it could not start, and ends
  std::string error;
  friend bool operator==(const Failed&, const Failed&) = default;
};
struct PeerUp {            // the tunnel stands
  std::uint32_t peer = 0;  // its slot
  wg::Path path;
  friend bool operator==(const PeerUp&, const PeerUp&) = default;
};
struct PeerMoved {  // its endpoint changed
  std::uint32_t peer = 0;
  wg::Path path;
  friend bool operator==(const PeerMoved&, const PeerMoved&) = default;
};
struct PeerDown {  // its keys are gone
  std::uint32_t peer = 0;
  friend bool operator==(const PeerDown&, const PeerDown&) = default;
};
struct Done {  // an order was carried out, or why it was not
  std::uint64_t order = 0;
  std::string error;
  friend bool operator==(const Done&, const Done&) = default;
};
struct FlowList {  // a part of the answer to an order; Done follows the last
  std::uint64_t order = 0;
  std::vector<proxy::FlowRecord> flows;
  friend bool operator==(const FlowList&, const FlowList&);
};

using ControlMessage = std::variant<Ready, Failed, PeerUp, PeerMoved, PeerDown, Done, FlowList>;

// One line, with its newline.
std::string to_line(const ControlMessage& message);
// Nothing if it is not a message; text is cut to a length and cleared of control characters.
std::optional<ControlMessage> parse_line(std::string_view line);

}  // namespace culvert::app
