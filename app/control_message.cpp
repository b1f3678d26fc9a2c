#include "app/control_message.hpp"

#include <array>

#include "app/message_json.hpp"

namespace culvert::app {
namespace {

using nlohmann::json;
using proxy::FlowRecord;
using proxy::FlowTraffic;

json path_fields(std::string_view event, std::uint32_t peer, const wg::Path& path) {
  return {{"event", event},
          {"peer", peer},
          {"remote", path.remote.to_string()},
          {"local", path.local ? path.local.to_string() : ""},
          {"interface", path.interface}};
}

// A list, for it is said thousands of times: the numbers in this order, then the two endpoints and
// the domain.
constexpr std::size_t flow_numbers = 14;

json flow_fields(const FlowRecord& flow) {
  return json::array({flow.id, flow.peer, std::uint64_t(flow.end), std::uint64_t(flow.state),
                      std::uint64_t(flow.forward), std::uint64_t(flow.key.protocol),
                      std::uint64_t(flow.started), std::uint64_t(flow.last), flow.up.packets,
                      flow.up.bytes, flow.up.payload, flow.down.packets, flow.down.bytes,
                      flow.down.payload, flow.key.client.to_string(), flow.key.server.to_string(),
                      std::string(flow.domain())});
}

struct ToJson {
  json operator()(const Ready& m) const {
    return {{"event", "ready"}, {"gso", m.gso}, {"gro", m.gro}, {"sandbox", m.sandbox}};
  }
  json operator()(const Failed& m) const { return {{"event", "failed"}, {"error", m.error}}; }
  json operator()(const PeerUp& m) const { return path_fields("peer_up", m.peer, m.path); }
  json operator()(const PeerMoved& m) const { return path_fields("peer_moved", m.peer, m.path); }
  json operator()(const PeerDown& m) const { return {{"event", "peer_down"}, {"peer", m.peer}}; }
  json operator()(const Done& m) const {
    return {{"event", "done"}, {"order", m.order}, {"error", m.error}};
  }
  json operator()(const FlowList& m) const {
    json flows = json::array();
    for (const FlowRecord& flow : m.flows) flows.push_back(flow_fields(flow));
    return {{"event", "flows"}, {"order", m.order}, {"flows", std::move(flows)}};
  }
};

std::optional<wg::Path> path_of(const json& object) {
  const auto remote = base::Endpoint::parse(text_of(object, "remote"));
  const auto interface = number_of(object, "interface", UINT32_MAX);
  if (!remote || !interface) return std::nullopt;
  wg::Path path{*remote, {}, std::uint32_t(*interface)};
  if (const std::string local = text_of(object, "local"); !local.empty()) {
    const auto address = base::IpAddress::parse(local);
    if (!address || address->family() != remote->address.family()) return std::nullopt;
    path.local = *address;
  }
  return path;
}

std::optional<base::Endpoint> endpoint_of(const json& value) {
  if (!value.is_string()) return std::nullopt;
  return base::Endpoint::parse(value.get_ref<const std::string&>());
}

bool is_protocol(std::uint64_t number) noexcept {
  using base::Protocol;
  for (const Protocol known : {Protocol::icmp, Protocol::tcp, Protocol::udp, Protocol::icmp6})
    if (number == std::uint64_t(known)) return true;
  return false;
}

std::optional<FlowRecord> flow_of(const json& list) {
  if (!list.is_array() || list.size() != flow_numbers + 3) return std::nullopt;
  std::array<std::uint64_t, flow_numbers> n;
  for (std::size_t i = 0; i < n.size(); ++i) {
    const auto number = number_of(list[i]);
    if (!number) return std::nullopt;
    n[i] = *number;
  }
  const auto client = endpoint_of(list[flow_numbers]), server = endpoint_of(list[flow_numbers + 1]);
  const json& domain = list[flow_numbers + 2];
  if (!client || !server || !domain.is_string() || n[1] > UINT32_MAX ||
      n[2] > std::uint64_t(FlowRecord::End::lack) ||
      n[3] > std::uint64_t(FlowRecord::State::closed) || n[4] > 1 || !is_protocol(n[5]) ||
      n[6] > INT64_MAX || n[7] > INT64_MAX)
    return std::nullopt;
  FlowRecord flow;
  flow.id = n[0];
  flow.peer = std::uint32_t(n[1]);
  flow.end = FlowRecord::End(n[2]);
  flow.state = FlowRecord::State(n[3]);
  flow.forward = n[4] != 0;
  flow.key = {*client, *server, base::Protocol(n[5])};
  flow.started = std::int64_t(n[6]), flow.last = std::int64_t(n[7]);
  flow.up = {n[8], n[9], n[10]}, flow.down = {n[11], n[12], n[13]};
  flow.set_domain(domain.get_ref<const std::string&>());
  return flow;
}

std::optional<ControlMessage> parse_answer(const std::string& event, const json& object) {
  const auto order = number_of(object, "order");
  if (!order) return std::nullopt;
  if (event == "done") return Done{*order, text_of(object, "error")};
  const json* list = list_of(object, "flows");
  if (!list) return std::nullopt;
  FlowList answer{*order, {}};
  for (const json& each : *list) {
    const auto flow = flow_of(each);
    if (!flow) return std::nullopt;
    answer.flows.push_back(*flow);
  }
  return answer;
}

std::optional<ControlMessage> parse_event(const std::string& event, const json& object) {
  if (event == "ready")
    return Ready{text_of(object, "gso"), text_of(object, "gro"), text_of(object, "sandbox")};
  if (event == "failed") return Failed{text_of(object, "error")};
  if (event == "done" || event == "flows") return parse_answer(event, object);
  const auto peer = number_of(object, "peer", UINT32_MAX);
  if (!peer) return std::nullopt;
  if (event == "peer_down") return PeerDown{std::uint32_t(*peer)};
  const auto path = path_of(object);
  if (!path) return std::nullopt;
  if (event == "peer_up") return PeerUp{std::uint32_t(*peer), *path};
  if (event == "peer_moved") return PeerMoved{std::uint32_t(*peer), *path};
  return std::nullopt;
}

bool same(const FlowTraffic& a, const FlowTraffic& b) noexcept {
  return a.packets == b.packets && a.bytes == b.bytes && a.payload == b.payload;
}

bool same(const FlowRecord& a, const FlowRecord& b) noexcept {
  return a.id == b.id && a.peer == b.peer && a.end == b.end && a.state == b.state &&
         a.forward == b.forward && a.key == b.key && a.started == b.started && a.last == b.last &&
         same(a.up, b.up) && same(a.down, b.down) && a.domain() == b.domain();
}

}  // namespace

bool operator==(const FlowList& a, const FlowList& b) {
  return a.order == b.order &&
         std::ranges::equal(a.flows, b.flows,
                            [](const auto& one, const auto& two) { return same(one, two); });
}

std::string to_line(const ControlMessage& message) {
  return line_of(std::visit(ToJson{}, message));
}

std::optional<ControlMessage> parse_line(std::string_view line) {
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  return parse_event(text_of(object, "event"), object);
}

}  // namespace culvert::app
