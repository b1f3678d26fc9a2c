#include "app/config_policy.hpp"

#include <fmt/format.h>
#include <netdb.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace culvert::app {
namespace {

struct Count {
  std::string_view key;
  std::size_t proxy::Limits::*field;
  std::int64_t low, high;
};

struct Wait {
  std::string_view key;
  std::chrono::seconds proxy::Limits::*field;
  std::int64_t low, high;
};

using L = proxy::Limits;

constexpr std::int64_t million = 1'000'000;
constexpr std::int64_t day = 86400;

constexpr Count client_counts[] = {
    {"tcp_flows", &L::tcp_flows, 1, million},
    {"tcp_dials", &L::tcp_dials, 1, 65535},
    {"new_flows_per_second", &L::new_flows_per_second, 1, million},
    {"new_flows_burst", &L::new_flows_burst, 1, million},
    {"udp_mappings", &L::udp_mappings, 1, 65535},
    {"echo_per_second", &L::echo_per_second, 0, million},
};

constexpr Count worker_counts[] = {
    {"tcp_flows_total", &L::tcp_flows_total, 0, 10 * million},
    {"tcp_dials_total", &L::tcp_dials_total, 1, million},
    {"new_flows_per_second_total", &L::new_flows_per_second_total, 1, 10 * million},
    {"udp_mappings_total", &L::udp_mappings_total, 1, million},
    {"reserved_descriptors", &L::reserved_descriptors, 16, 65535},
};

constexpr Wait waits[] = {
    {"tcp_idle", &L::tcp_idle, 10, 30 * day},
    {"tcp_half_closed", &L::tcp_half_closed, 1, day},
    {"tcp_dial", &L::tcp_dial, 1, 600},
    {"tcp_no_progress", &L::tcp_no_progress, 10, day},
    {"tcp_no_progress_crowded", &L::tcp_no_progress_crowded, 10, day},
    {"udp_idle", &L::udp_idle, 1, day},
    {"udp_idle_dns", &L::udp_idle_dns, 1, day},
    {"echo_idle", &L::echo_idle, 1, 3600},
};

void read_rules(TableReader& egress, std::string_view key, std::vector<proxy::EgressRule>& rules) {
  if (egress.has(key)) rules.clear();
  for (const Node& node : egress.strings(key)) {
    if (const auto rule = proxy::EgressRule::parse(node.text))
      rules.push_back(*rule);
    else
      egress.wrong(key, node,
                   "a prefix with optional ports and protocol, such as \"10.1.0.0/16\", "
                   "\"10.1.2.3:443\" or \"[fd00::]/8:80-90/tcp\"");
  }
}

}  // namespace

void read_egress_rules(TableReader& egress, proxy::EgressRules& rules) {
  read_rules(egress, "allow", rules.allow);
  read_rules(egress, "deny", rules.deny);
}

void read_client_limits(TableReader& limits, proxy::Limits& out) {
  for (const Count& count : client_counts)
    limits.number(count.key, out.*count.field, count.low, count.high);
}

void read_worker_limits(TableReader& limits, proxy::Limits& out) {
  for (const Count& count : worker_counts)
    limits.number(count.key, out.*count.field, count.low, count.high);
  for (const Wait& wait : waits) limits.seconds(wait.key, out.*wait.field, wait.low, wait.high);
}

void read_policy(TableReader& table, Policy& policy, Findings& findings) {
  read_dns_policy(table, "dns_", policy.dns, findings);
  table.boolean("full_cone", policy.full_cone);
  if (Node* node = table.subtable("egress")) {
    TableReader egress(node, table.full("egress"), findings);
    auto rules = policy.egress == nullptr ? std::make_shared<proxy::EgressRules>()
                                          : std::make_shared<proxy::EgressRules>(*policy.egress);
    read_egress_rules(egress, *rules);
    policy.egress = std::move(rules);
    egress.finish();
  }
  if (Node* node = table.subtable("limits")) {
    TableReader limits(node, table.full("limits"), findings);
    read_client_limits(limits, policy.limits);
    limits.finish();
  }
}

bool is_host_port(std::string_view text) {
  if (const auto endpoint = base::Endpoint::parse(text)) return endpoint->port != 0;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view host = text.substr(0, colon), digits = text.substr(colon + 1);
  unsigned port = 0;
  const auto [next, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  const bool named = std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '-' || c == '_';
  });
  return named && error == std::errc{} && next == digits.data() + digits.size() && port > 0 &&
         port < 65536;
}

base::Result<base::Endpoint> look_up(const std::string& text, int family) {
  const std::size_t colon = text.rfind(':');
  const std::string host = text.substr(0, colon), port = text.substr(colon + 1);
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &list); error != 0)
    return base::Error{fmt::format("{}: {}", host, ::gai_strerror(error))};
  sockaddr_storage found{};
  std::memcpy(&found, list->ai_addr, std::min<std::size_t>(list->ai_addrlen, sizeof found));
  ::freeaddrinfo(list);
  return base::Endpoint::from_sockaddr(found);
}

bool read_prefix(TableReader& table, std::string_view key, const Node& node, Findings& findings,
                 base::Prefix& out) {
  const auto prefix = base::Prefix::parse(node.text);
  if (!prefix) {
    table.wrong(key, node, "a prefix such as \"10.8.0.2/32\"");
    return false;
  }
  const auto address = base::IpAddress::parse(
      std::string_view(node.text).substr(0, std::min(node.text.find('/'), node.text.size())));
  out = *prefix;
  if (address && *address == prefix->address()) return true;
  if (!node.lenient) {
    table.wrong(key, node,
                fmt::format("\"{}\": bits behind the prefix length are set", prefix->to_string()));
    return false;
  }
  findings.warn(node.place, fmt::format("{} = {} is taken as {}", table.full(key), shown(node),
                                        prefix->to_string()));
  return true;
}

}  // namespace culvert::app
