// What the supervisor and a worker tell each other: one JSON object a line. The supervisor treats
// what a worker says as it treats a stranger's: a worker reads hostile packets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "wg/outbox.hpp"

namespace culvert::app {

// Worker to supervisor.
struct Ready {  // its part of the start-up log
  std::string gso, gro, sandbox;
  friend bool operator==(const Ready&, const Ready&) = default;
};
struct Failed {  // it could not start, and ends
  std::string error;
  friend bool operator==(const Failed&, const Failed&) = default;
};
struct PeerUp {            // the tunnel stands
  std::uint32_t peer = 0;  // its place in the configuration
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
// Supervisor to worker.
struct Stop {
  friend bool operator==(const Stop&, const Stop&) = default;
};

using ControlMessage = std::variant<Ready, Failed, PeerUp, PeerMoved, PeerDown, Stop>;

// One line, with its newline.
std::string to_line(const ControlMessage& message);
// Nothing if it is not a message; text is cut to a length and cleared of control characters.
std::optional<ControlMessage> parse_line(std::string_view line);

}  // namespace culvert::app
