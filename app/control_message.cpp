#include "app/control_message.hpp"

#include <nlohmann/json.hpp>

namespace culvert::app {
namespace {

using nlohmann::json;

constexpr std::size_t max_text = 500;

json path_fields(std::string_view event, std::uint32_t peer, const wg::Path& path) {
  return {{"event", event},
          {"peer", peer},
          {"remote", path.remote.to_string()},
          {"local", path.local ? path.local.to_string() : ""},
          {"interface", path.interface}};
}

struct ToJson {
  json operator()(const Ready& m) const {
    return {{"event", "ready"}, {"gso", m.gso}, {"gro", m.gro}, {"sandbox", m.sandbox}};
  }
  json operator()(const Failed& m) const { return {{"event", "failed"}, {"error", m.error}}; }
  json operator()(const PeerUp& m) const { return path_fields("peer_up", m.peer, m.path); }
  json operator()(const PeerMoved& m) const { return path_fields("peer_moved", m.peer, m.path); }
  json operator()(const PeerDown& m) const { return {{"event", "peer_down"}, {"peer", m.peer}}; }
  json operator()(const Stop&) const { return {{"command", "stop"}}; }
};

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  std::string text = found->get<std::string>().substr(0, max_text);
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

std::optional<std::uint32_t> number_of(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  const auto value = found->get<std::uint64_t>();
  if (value > UINT32_MAX) return std::nullopt;
  return std::uint32_t(value);
}

std::optional<wg::Path> path_of(const json& object) {
  const auto remote = base::Endpoint::parse(text_of(object, "remote"));
  const auto interface = number_of(object, "interface");
  if (!remote || !interface) return std::nullopt;
  wg::Path path{*remote, {}, *interface};
  if (const std::string local = text_of(object, "local"); !local.empty()) {
    const auto address = base::IpAddress::parse(local);
    if (!address || address->family() != remote->address.family()) return std::nullopt;
    path.local = *address;
  }
  return path;
}

std::optional<ControlMessage> parse_event(const std::string& event, const json& object) {
  if (event == "ready")
    return Ready{text_of(object, "gso"), text_of(object, "gro"), text_of(object, "sandbox")};
  if (event == "failed") return Failed{text_of(object, "error")};
  const auto peer = number_of(object, "peer");
  if (!peer) return std::nullopt;
  if (event == "peer_down") return PeerDown{*peer};
  const auto path = path_of(object);
  if (!path) return std::nullopt;
  if (event == "peer_up") return PeerUp{*peer, *path};
  if (event == "peer_moved") return PeerMoved{*peer, *path};
  return std::nullopt;
}

}  // namespace

std::string to_line(const ControlMessage& message) {
  // Text that is not UTF-8 is replaced, so that dump() cannot throw.
  return std::visit(ToJson{}, message).dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
}

std::optional<ControlMessage> parse_line(std::string_view line) {
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  if (text_of(object, "command") == "stop") return Stop{};
  return parse_event(text_of(object, "event"), object);
}

}  // namespace culvert::app
