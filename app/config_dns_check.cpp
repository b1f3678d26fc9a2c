// What of [dns] only shows when the whole configuration is seen.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <set>

#include "app/config_policy.hpp"
#include "dns/name.hpp"
#include "dns/upstreams.hpp"

namespace culvert::app {
namespace {

class DnsChecker {
 public:
  DnsChecker(const Config& config, Findings& findings) : config_(config), findings_(findings) {}

  void run() {
    check_lists();
    const auto place_of_key = [this](const std::string& key) { return place(key); };
    check_policy(config_.dns.policy, "dns.", place_of_key);
    for (const auto& [name, group] : config_.groups)
      if (group.dns != config_.dns_policy)
        check_policy(*group.dns, fmt::format("group.{}.dns_", name), place_of_key);
    for (const PeerEntry& peer : config_.peers)
      check_peer(peer, [&peer](const std::string&) { return peer.place; });
    warn_unused_lists();
    check_upstreams(config_.dns.upstream, "dns.upstream", place("dns.upstream"));
    check_upstreams(config_.dns.fallback, "dns.fallback", place("dns.fallback"));
    for (const std::string& text : config_.dns.bootstrap)
      check_own(text, "dns.bootstrap", place("dns.bootstrap"));
    check_routes();
    check_encrypted_only();
    check_dns_records(config_, findings_);
  }

  // Where a key such as "group.kids.dns_lists" stands.
  using Place = std::function<std::string(const std::string&)>;

  // Whatever a peer says for itself, and nothing twice that it has from its group.
  void check_peer(const PeerEntry& peer, const Place& at) {
    const auto group = config_.groups.find(peer.group);
    const auto& inherited = group == config_.groups.end() ? config_.dns_policy : group->second.dns;
    if (peer.policy.dns && peer.policy.dns != inherited)
      check_policy(*peer.policy.dns, "peer.dns_", at);
  }

 private:
  using Texts = std::vector<std::string>;

  std::string place(const std::string& key) const { return place_of(config_, key); }

  void check_lists() {
    std::set<std::string> names;
    for (const dns::ListSettings& list : config_.dns.lists) {
      if (!names.insert(list.name).second)
        findings_.error(place("dns.list." + list.name),
                        fmt::format("two sections [[dns.list]] have the name \"{}\"", list.name));
      if (!list.path.empty() && ::access(list.path.c_str(), F_OK) != 0)
        findings_.warn(place("dns.list." + list.name),
                       fmt::format("the list \"{}\" has no rules yet: {}: {}", list.name, list.path,
                                   std::strerror(errno)));
    }
    if (names.size() > dns::max_lists)
      findings_.error(place("dns.list"),
                      fmt::format("{} sections [[dns.list]], expected at most {}", names.size(),
                                  dns::max_lists));
  }

  void check_names(const Texts& lists, const std::string& key, const std::string& at) {
    for (const std::string& name : lists) {
      used_.insert(name);
      if (std::ranges::find(config_.dns.lists, name, &dns::ListSettings::name) ==
          config_.dns.lists.end())
        findings_.error(
            at, fmt::format("{} names \"{}\", expected the name of a [[dns.list]]", key, name));
    }
  }

  void check_policy(const dns::Policy& policy, const std::string& prefix, const Place& at) {
    check_names(policy.lists, prefix + "lists", at(prefix + "lists"));
    for (const dns::Schedule& schedule : policy.schedules)
      check_names(schedule.lists, prefix + "schedule.lists", at(prefix + "schedule"));
    check_upstreams(policy.upstream, prefix + "upstream", at(prefix + "upstream"));
  }

  void warn_unused_lists() {
    for (const dns::ListSettings& list : config_.dns.lists)
      if (!used_.contains(list.name))
        findings_.warn(place("dns.list." + list.name),
                       fmt::format("the list \"{}\" is used by nobody: name it in dns.lists, or in "
                                   "dns_lists of a group or peer",
                                   list.name));
  }

  // A question that comes back to us would go round for ever. One that may not leave in the clear
  // would get no answer.
  void check_upstreams(const Texts& upstreams, const std::string& key, const std::string& at) {
    for (const std::string& text : upstreams) {
      const auto upstream = dns::UpstreamAddress::parse(text);
      if (!upstream) continue;
      if (config_.dns.encrypted_only && !upstream->encrypted())
        findings_.error(at, fmt::format("dns.encrypted_only, but {} is not encrypted, expected "
                                        "tls:// or https:// in {}",
                                        text, key));
      check_own(text, key, at);
    }
  }

  void check_own(const std::string& text, const std::string& key, const std::string& at) {
    const auto upstream = dns::UpstreamAddress::parse(text);
    if (!upstream) return;
    for (const base::IpAddress& address : upstream->addresses)
      for (const Config::Address& own : config_.address)
        if (own.address == address)
          findings_.error(
              at, fmt::format("{} has {}, which is this server inside the tunnel", key, text));
  }

  void check_routes() {
    std::set<std::string> domains;
    for (std::size_t i = 0; i < config_.dns.routes.size(); ++i) {
      const dns::Route& route = config_.dns.routes[i];
      const std::string at = place(fmt::format("dns.route.{}", i));
      check_upstreams(route.upstream, "dns.route.upstream", at);
      const auto domain = dns::Name::parse(route.domain);
      if (domain && !domains.insert(domain->to_string()).second)
        findings_.error(
            at, fmt::format("two sections [[dns.route]] have the domain \"{}\"", route.domain));
    }
  }

  void check_encrypted_only() {
    if (!config_.dns.encrypted_only) return;
    bool any = false;
    for (const Texts* texts : {&config_.dns.upstream, &config_.dns.fallback})
      for (const std::string& text : *texts) {
        const auto upstream = dns::UpstreamAddress::parse(text);
        any = any || (upstream && upstream->encrypted());
      }
    if (!any)
      findings_.error(
          place("dns.encrypted_only"),
          "dns.encrypted_only without an encrypted resolver, expected tls:// or https:// "
          "in dns.upstream");
  }

  const Config& config_;
  Findings& findings_;
  std::set<std::string> used_;
};

}  // namespace

void check_dns(const Config& config, Findings& findings) {
  DnsChecker(config, findings).run();
}

void check_peer_dns(const PeerEntry& peer, const Config& config, Findings& findings) {
  constexpr std::string_view mine = "peer.";
  DnsChecker(config, findings).check_peer(peer, [&](const std::string& key) {
    return key.substr(mine.size());
  });
}

}  // namespace culvert::app
