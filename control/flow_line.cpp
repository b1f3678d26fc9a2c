#include "control/flow_line.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "control/clean_text.hpp"
#include "control/timestamp.hpp"

namespace culvert::control {
namespace {

std::string_view protocol_name(base::Protocol protocol) noexcept {
  switch (protocol) {
    case base::Protocol::tcp:
      return "tcp";
    case base::Protocol::udp:
      return "udp";
    case base::Protocol::icmp:
    case base::Protocol::icmp6:
      return "icmp";
  }
  return "?";
}

base::WallTime at(std::int64_t nanoseconds) noexcept {
  return base::WallTime(std::chrono::nanoseconds(nanoseconds));
}

// A worker wrote it.
std::string domain_json(const proxy::FlowRecord& record) {
  const std::string domain(record.domain());
  return domain.empty() ? "null" : json_string(clean_text(domain));
}

}  // namespace

std::string flow_line(const FlowChange& change, base::WallTime when) {
  const proxy::FlowRecord& r = change.record;
  std::string line;
  line.reserve(512);
  fmt::format_to(
      std::back_inserter(line),
      R"({{"time":"{}","start":"{}","end":"{}","duration":{:.3f},"peer":{},"group":{},)"
      R"("protocol":"{}","client":"{}","client_port":{},"origin":"{}","origin_port":{},)"
      R"("domain":{},"forward":{},"up_packets":{},"up_bytes":{},"up_payload":{},"down_packets":{},)"
      R"("down_bytes":{},"down_payload":{},"reason":"{}","first":{},"id":"{}-{:x}"}})"
      "\n",
      timestamp(when), timestamp(at(r.started)), timestamp(at(r.last)),
      double(std::max<std::int64_t>(r.last - r.started, 0)) / 1e9, change.peer_json,
      change.group_json, protocol_name(r.key.protocol), r.key.client.address.to_string(),
      r.key.client.port, r.key.server.address.to_string(), r.key.server.port, domain_json(r),
      r.forward, change.up.packets, change.up.bytes, change.up.payload, change.down.packets,
      change.down.bytes, change.down.payload, to_string(r.end), change.first, r.peer, r.id);
  return line;
}

}  // namespace culvert::control
