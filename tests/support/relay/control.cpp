#include "relay/control.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace culvert::relay {
namespace {

using nlohmann::json;

DelayKind delay_kind(const std::string& name) {
  if (name == "constant") return DelayKind::constant;
  if (name == "uniform") return DelayKind::uniform;
  if (name == "normal") return DelayKind::normal;
  throw std::invalid_argument("delay_kind is constant, uniform or normal, not " + name);
}

void set_one(Faults& faults, const std::string& name, const json& value) {
  static const std::map<std::string, double Faults::*> numbers{
      {"loss", &Faults::loss},
      {"ge_p", &Faults::ge_p},
      {"ge_r", &Faults::ge_r},
      {"ge_k", &Faults::ge_k},
      {"ge_h", &Faults::ge_h},
      {"corrupt", &Faults::corrupt},
      {"duplicate", &Faults::duplicate},
      {"duplicate_spacing_ms", &Faults::duplicate_spacing_ms},
      {"delay_ms", &Faults::delay_ms},
      {"jitter_ms", &Faults::jitter_ms},
      {"reorder", &Faults::reorder},
      {"rate_mbit", &Faults::rate_mbit},
      {"queue_bytes", &Faults::queue_bytes}};
  if (const auto number = numbers.find(name); number != numbers.end()) {
    faults.*number->second = value.get<double>();
  } else if (name == "delay_kind") {
    faults.delay_kind = delay_kind(value.get<std::string>());
  } else if (name == "keep_order") {
    faults.keep_order = value.get<bool>();
  } else if (name == "blackout") {
    faults.blackout = value.get<bool>();
  } else if (name == "reorder_gap") {
    faults.reorder_gap = value.get<std::uint32_t>();
  } else if (name == "mtu") {
    faults.mtu = value.get<std::uint32_t>();
  } else if (name == "drop_types") {
    faults.drop_types = value.get<std::vector<std::uint8_t>>();
  } else if (name == "drop_first") {
    for (const auto& [type, count] : value.items()) {
      faults.drop_first[static_cast<std::uint8_t>(std::stoul(type))] = count.get<std::uint32_t>();
    }
  } else {
    throw std::invalid_argument("unknown fault " + name);
  }
}

void set(Relay& relay, const json& change) {
  for (const auto& [name, value] : change.items()) {
    if (name == "up" || name == "down") {
      FaultLine& line = name == "up" ? relay.up : relay.down;
      for (const auto& [fault, setting] : value.items()) set_one(line.faults, fault, setting);
    } else if (name == "rebind_every_ms") {
      relay.rebind_every = std::chrono::milliseconds(value.get<std::int64_t>());
    } else if (name == "mapping_expiry_ms") {
      relay.mapping_expiry = std::chrono::milliseconds(value.get<std::int64_t>());
    } else if (name == "record") {
      relay.record = value.get<std::size_t>();
    } else {
      throw std::invalid_argument("unknown setting " + name);
    }
  }
}

json counters(const FaultLine& line) {
  const Counters& c = line.counters;
  json types = json::object();
  for (const auto& [type, count] : c.types) types[std::to_string(type)] = count;
  return {{"received", c.received},
          {"sent", c.sent},
          {"bytes_received", c.bytes_received},
          {"bytes_sent", c.bytes_sent},
          {"lost", c.lost},
          {"corrupted", c.corrupted},
          {"duplicated", c.duplicated},
          {"reordered", c.reordered},
          {"queue_dropped", c.queue_dropped},
          {"mtu_dropped", c.mtu_dropped},
          {"blackout_dropped", c.blackout_dropped},
          {"type_dropped", c.type_dropped},
          {"expired", c.expired},
          {"types", types},
          {"hash", fmt::format("{:016x}", line.decisions())}};
}

json act(Relay& relay, const json& request) {
  if (request.contains("set")) {
    set(relay, request["set"]);
    return json{{"ok", true}};
  }
  const std::string command = request.value("command", "");
  if (command == "counters") {
    return json{{"up", counters(relay.up)},
                {"down", counters(relay.down)},
                {"sessions", relay.sessions()},
                {"rebinds", relay.rebinds}};
  }
  if (command == "rebind") {
    relay.rebind_all();
    return json{{"ok", true}};
  }
  if (command == "replay") {
    const bool up = request.value("direction", "up") == "up";
    return json{{"sent", relay.replay(up, request.value("other_source", false))}};
  }
  throw std::invalid_argument("unknown command " + command);
}

}  // namespace

std::string answer(Relay& relay, const std::string& request) {
  try {
    return act(relay, json::parse(request)).dump();
  } catch (const std::exception& error) {
    return json{{"error", error.what()}}.dump();
  }
}

}  // namespace culvert::relay
