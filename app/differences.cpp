#include "app/differences.hpp"

#include <algorithm>

#include "app/order.hpp"
#include "control/forget_secrets.hpp"

namespace culvert::app {
namespace {

using Rules = std::shared_ptr<const proxy::EgressRules>;

// No rules and an empty list of them say the same.
bool same_shared_rules(const Rules& a, const Rules& b) {
  if (a == b) return true;
  static const proxy::EgressRules none;
  return same_rules(a ? *a : none, b ? *b : none);
}

bool same_dns(const Policy& a, const Policy& b) {
  return a.dns == b.dns || (a.dns && b.dns && *a.dns == *b.dns);
}

bool same_client_policy(const Policy& a, const Policy& b) {
  return same_shared_rules(a.egress, b.egress) && same_limits(a.limits, b.limits) &&
         a.full_cone == b.full_cone && same_dns(a, b);
}

bool same_accounts(const Policy& a, const Policy& b) {
  return a.down == b.down && a.up == b.up && a.quota == b.quota && a.expires == b.expires &&
         a.hours == b.hours;
}

bool same_group(const GroupConfig& a, const GroupConfig& b) {
  return same_client_policy(a, b) && same_accounts(a, b) && a.total_down == b.total_down &&
         a.total_up == b.total_up && a.total_quota == b.total_quota;
}

bool same_addresses(const std::vector<Config::Address>& a, const std::vector<Config::Address>& b) {
  return std::ranges::equal(a, b, [](const auto& one, const auto& two) {
    return one.address == two.address && one.network == two.network;
  });
}

bool same_forwards(const std::vector<ForwardEntry>& a, const std::vector<ForwardEntry>& b) {
  return std::ranges::equal(a, b, [](const auto& one, const auto& two) {
    return one.listen == two.listen && one.to == two.to && one.protocol == two.protocol;
  });
}

void compare_dns(const dns::Settings& was, const dns::Settings& is,
                 std::vector<std::string>& changed) {
  const auto same = [&](bool holds, const char* key) {
    if (!holds) changed.emplace_back(key);
  };
  same(was.intercept == is.intercept, "dns.intercept");
  same(was.pass == is.pass, "dns.pass");
  same(was.upstream == is.upstream && was.fallback == is.fallback &&
           was.bootstrap == is.bootstrap && was.system == is.system &&
           was.encrypted_only == is.encrypted_only && was.ca_file == is.ca_file,
       "dns.upstream");
  same(was.routes == is.routes, "dns.route");
  same(was.records == is.records && was.zone == is.zone, "dns.record");
  same(was.canary_firefox == is.canary_firefox && was.canary_apple == is.canary_apple &&
           was.canary_ddr == is.canary_ddr,
       "dns.canary");
  same(was.cache == is.cache, "dns.cache");
  same(was.limits == is.limits, "dns.limits");
  same(was.log == is.log, "dns.query_log");
  same(was.lists == is.lists, "dns.list");
  same(was.policy == is.policy, "dns.policy");
}

void compare_groups(const Config& was, const Config& is, std::vector<std::string>& changed) {
  for (const auto& [name, group] : is.groups) {
    const auto old = was.groups.find(name);
    if (old == was.groups.end() || !same_group(old->second, group))
      changed.push_back("group." + name);
  }
  for (const auto& [name, group] : was.groups)
    if (!is.groups.contains(name)) changed.push_back("group." + name);
}

}  // namespace

PeerDifference difference(const PeerEntry& was, const PeerEntry& is) {
  return {.name = was.name != is.name,
          .preshared_key = !(was.preshared_key == is.preshared_key),
          .allowed_ips = was.allowed_ips != is.allowed_ips,
          .endpoint = is.endpoint && was.endpoint != is.endpoint,
          .keepalive = was.persistent_keepalive != is.persistent_keepalive,
          .client = was.group != is.group || !same_client_policy(was.policy, is.policy),
          .accounts = was.group != is.group || !same_accounts(was.policy, is.policy)};
}

SettingsDifference difference(const Config& was, const Config& is) {
  SettingsDifference found;
  const auto live = [&](bool same, const char* key) {
    if (!same) found.live.emplace_back(key);
  };
  const auto fixed = [&](bool same, const char* key) {
    if (!same) found.need_restart.emplace_back(key);
  };
  live(same_rules(was.egress, is.egress), "egress");
  live(same_limits(was.limits, is.limits), "limits");
  live(was.log_level == is.log_level, "server.log_level");
  live(was.endpoint == is.endpoint, "server.endpoint");
  live(was.control.accounting == is.control.accounting, "accounting");
  live(was.control.webhooks == is.control.webhooks, "webhook");
  live(was.control.admission == is.control.admission, "admission");
  live(was.control.status_line == is.control.status_line, "server.status_line");
  compare_dns(was.dns, is.dns, found.live);
  compare_groups(was, is, found.live);

  fixed(was.private_key == is.private_key, "server.private_key");
  fixed(was.listen == is.listen, "server.listen");
  fixed(same_addresses(was.address, is.address), "server.address");
  fixed(was.mtu == is.mtu, "server.mtu");
  fixed(was.workers == is.workers, "server.workers");
  fixed(was.state_dir == is.state_dir, "server.state_dir");
  fixed(was.control_socket == is.control_socket, "server.control_socket");
  fixed(was.interface == is.interface, "server.interface");
  fixed(was.uapi_dir == is.uapi_dir, "server.uapi_dir");
  fixed(was.http == is.http, "server.http");
  fixed(was.aead == is.aead, "server.aead");
  fixed(was.gso == is.gso, "server.gso");
  fixed(was.gro == is.gro, "server.gro");
  fixed(was.sandbox == is.sandbox, "server.sandbox");
  fixed(was.overlay == is.overlay, "server.overlay");
  fixed(was.log_format == is.log_format, "server.log_format");
  fixed(was.source4 == is.source4 && was.source6 == is.source6, "egress.source_address");
  fixed(was.refuse_with_icmp == is.refuse_with_icmp, "limits.tcp_refused");
  fixed(was.receive_window_max == is.receive_window_max, "limits.receive_window_max");
  fixed(was.send_buffer_max == is.send_buffer_max, "limits.send_buffer_max");
  fixed(was.window_budget == is.window_budget, "limits.window_budget");
  fixed(same_forwards(was.forwards, is.forwards), "forward");
  return found;
}

void take_live_settings(Config& to, Config& from) {
  to.egress = std::move(from.egress);
  to.limits = from.limits;
  to.log_level = from.log_level;
  to.dns = std::move(from.dns);
  to.dns_policy = std::move(from.dns_policy);
  to.endpoint = std::move(from.endpoint);
  to.groups = std::move(from.groups);
  control::forget_secrets(to.control);
  to.control = from.control;
  to.quota_terms = std::move(from.quota_terms);
  to.places = std::move(from.places);
}

}  // namespace culvert::app
