// Limits and quotas of groups and peers against each other, once all are known.
#include <fmt/format.h>

#include <algorithm>

#include "app/config_node.hpp"

namespace culvert::app {
namespace {

// Bytes of a day on average: what makes quotas of different periods comparable.
double per_day(const Quota& quota) {
  const double bytes = static_cast<double>(quota.bytes);
  switch (quota.period) {
    case Quota::Period::day:
      return bytes;
    case Quota::Period::week:
      return bytes / 7;
    case Quota::Period::month:
      return bytes / 30;
  }
  return bytes;
}

class Totals {
 public:
  Totals(const Config& config, const GroupConfig& group, Findings& findings)
      : config_(config), group_(group), findings_(findings) {}

  // `whose`: "group.g." for what each member has, or the name of a member that has its own.
  void compare(const std::string& place, const std::string& whose, const Policy& policy) {
    rate(place, "total_down", group_.total_down, whose, "down", policy.down);
    rate(place, "total_up", group_.total_up, whose, "up", policy.up);
    if (group_.total_quota && policy.quota && per_day(*group_.total_quota) < per_day(*policy.quota))
      below(place, "total_quota", whose, "quota");
  }

 private:
  void rate(const std::string& place, const char* total_key, std::uint64_t total,
            const std::string& whose, const char* key, std::uint64_t own) {
    if (total != 0 && own > total) below(place, total_key, whose, key);
  }

  void below(const std::string& place, const std::string& total_key, const std::string& whose,
             const char* key) {
    const std::string full = fmt::format("group.{}.{}", group_.name, total_key);
    findings_.warn(
        place.empty() ? place_of(config_, full) : place,
        fmt::format("{} is less than the {} of {}, which can never be used up", full, key, whose));
  }

  const Config& config_;
  const GroupConfig& group_;
  Findings& findings_;
};

bool any_quota(const Config& config) {
  return std::any_of(config.peers.begin(), config.peers.end(),
                     [](const PeerEntry& peer) { return peer.policy.quota.has_value(); }) ||
         std::any_of(config.groups.begin(), config.groups.end(),
                     [](const auto& each) { return each.second.quota || each.second.total_quota; });
}

}  // namespace

void check_allowances(const Config& config, Findings& findings) {
  for (const auto& [name, group] : config.groups)
    Totals(config, group, findings).compare("", "each member", group);
  for (const PeerEntry& peer : config.peers) {
    const auto at = config.groups.find(peer.group);
    if (at == config.groups.end()) continue;
    Policy own = peer.policy;  // what it has of the group was looked at there
    if (own.down == at->second.down) own.down = 0;
    if (own.up == at->second.up) own.up = 0;
    if (own.quota == at->second.quota) own.quota.reset();
    Totals(config, at->second, findings)
        .compare(peer.place, fmt::format("peer \"{}\"", peer.name), own);
  }
  if (config.state_dir.empty() && config.control.accounting.database.empty() && any_quota(config))
    findings.warn(place_of(config, "server.state_dir"),
                  "there are quotas, and no server.state_dir to remember what was used: a restart "
                  "begins them anew");
}

}  // namespace culvert::app
