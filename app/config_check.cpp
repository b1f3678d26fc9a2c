// What only shows when the whole configuration is seen: keys, names, addresses and ports that
// clash. It looks at what could be read, too: a mistake in one peer does not hide one in another.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "app/config_node.hpp"

namespace culvert::app {
namespace {

class Checker {
 public:
  Checker(const Config& config, Findings& findings)
      : config_(config), findings_(findings), complete_(!findings.fatal()) {}

  void run() {
    check_addresses();
    check_listen();
    check_peers();
    check_allowed_ips();
    check_forwards();
    check_dns(config_, findings_);
    check_allowances(config_, findings_);
    const proxy::Limits& limits = config_.limits;
    if (limits.new_flows_burst < limits.new_flows_per_second)
      error("limits.new_flows_burst",
            fmt::format("limits.new_flows_burst = {} is less than limits.new_flows_per_second = {}",
                        limits.new_flows_burst, limits.new_flows_per_second));
    if (config_.window_budget < config_.receive_window_max)
      error(
          "limits.window_budget",
          fmt::format("limits.window_budget = {} bytes is less than limits.receive_window_max = {}",
                      config_.window_budget, config_.receive_window_max));
  }

 private:
  void error(const std::string& key, std::string text) {
    findings_.error(place_of(config_, key), std::move(text));
  }

  void check_addresses() {
    bool v6 = false;
    for (const Config::Address& own : config_.address) {
      v6 = v6 || own.address.is_v6();
      if (own.address.is_v4() && own.network.length() < 31 && own.address == own.network.address())
        error("server.address",
              fmt::format("server.address {} is the network itself, expected an address inside {}",
                          own.address.to_string(), own.network.to_string()));
    }
    if (config_.address.empty() && complete_)
      error("server.address",
            "server.address is missing, expected the server's addresses inside the tunnel, such as "
            "[\"10.8.0.1/24\", \"fd08::1/64\"]");
    if (v6 && config_.mtu < smallest_mtu6)
      error(
          "server.mtu",
          fmt::format("server.mtu = {}, expected at least 1280 (RFC 8200 section 5), or no IPv6 in "
                      "server.address: without it 576 is the least",
                      config_.mtu));
  }

  void check_listen() {
    const auto& listen = config_.listen;
    for (std::size_t i = 0; i < listen.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (listen[i].address.family() == listen[j].address.family())
          error("server.listen",
                fmt::format(
                    "server.listen has {} and {}, expected at most one address of each family",
                    listen[j].to_string(), listen[i].to_string()));
  }

  void check_endpoint(const PeerEntry& peer) {
    if (!peer.endpoint) return;
    const bool reachable =
        std::any_of(config_.listen.begin(), config_.listen.end(), [&](const base::Endpoint& own) {
          return own.address.family() == peer.endpoint->address.family();
        });
    if (!reachable)
      findings_.warn(peer.place,
                     fmt::format("peer \"{}\" has the endpoint {}, and server.listen no address of "
                                 "that family: the server cannot call it",
                                 peer.name, peer.endpoint->to_string()));
  }

  void check_peers() {
    const bool have_key = !config_.private_key.is_zero();
    const wg::PublicKey own = have_key ? wg::public_key_of(config_.private_key) : wg::PublicKey{};
    std::map<wg::PublicKey, const PeerEntry*> keys;
    std::map<std::string, const PeerEntry*> names;
    for (const PeerEntry& peer : config_.peers) {
      const bool readable = peer.public_key != wg::PublicKey{};  // else it was said already
      if (readable && have_key && peer.public_key == own)
        findings_.error(peer.place,
                        fmt::format("peer \"{}\" has the server's own public key, expected "
                                    "the client's",
                                    peer.name));
      if (const auto [at, fresh] = keys.emplace(peer.public_key, &peer); !fresh && readable)
        findings_.error(peer.place,
                        fmt::format("peer \"{}\" has the public key of peer \"{}\" at {}",
                                    peer.name, at->second->name, at->second->place));
      if (const auto [at, fresh] = names.emplace(peer.name, &peer); !fresh)
        findings_.error(peer.place,
                        fmt::format("a second peer with the name \"{}\", the first is at {}",
                                    peer.name, at->second->place));
      check_endpoint(peer);
      if (peer.allowed_ips.empty() && complete_)
        findings_.warn(
            peer.place,
            fmt::format("peer \"{}\" has no allowed_ips: it can send nothing", peer.name));
    }
  }

  void check_allowed_ips() {
    std::map<base::Prefix, const PeerEntry*> owners;
    for (const PeerEntry& peer : config_.peers) {
      for (const base::Prefix& prefix : peer.allowed_ips) {
        const auto [at, fresh] = owners.emplace(prefix, &peer);
        if (!fresh && at->second != &peer)
          findings_.error(
              peer.place,
              fmt::format("peer \"{}\" has the allowed IP {} of peer \"{}\" at {}, "
                          "expected each prefix at one peer",
                          peer.name, prefix.to_string(), at->second->name, at->second->place));
        for (const Config::Address& own : config_.address)
          if (prefix == base::Prefix(own.address, own.address.bits()))
            findings_.error(
                peer.place,
                fmt::format("peer \"{}\" has the server's own address {}, expected "
                            "another one of {}",
                            peer.name, own.address.to_string(), own.network.to_string()));
      }
    }
  }

  bool held_by_a_peer(const base::IpAddress& address) const {
    return std::any_of(config_.peers.begin(), config_.peers.end(), [&](const PeerEntry& peer) {
      return std::any_of(peer.allowed_ips.begin(), peer.allowed_ips.end(),
                         [&](const base::Prefix& prefix) { return prefix.contains(address); });
    });
  }

  void check_forwards() {
    const auto& all = config_.forwards;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const ForwardEntry& forward = all[i];
      if (complete_ && !held_by_a_peer(forward.to.address))
        findings_.error(forward.place,
                        fmt::format("forward.to = {} is an address of no peer, expected one "
                                    "inside some peer's allowed_ips",
                                    forward.to.to_string()));
      for (std::size_t j = 0; j < i; ++j)
        if (forward.protocol == all[j].protocol && collide(forward.listen, all[j].listen))
          findings_.error(forward.place,
                          fmt::format("forward.listen = {} is taken by the forward at {}",
                                      forward.listen.to_string(), all[j].place));
      for (const base::Endpoint& own : config_.listen)
        if (forward.protocol == base::Protocol::udp && collide(forward.listen, own))
          findings_.error(forward.place, fmt::format("forward.listen = {} is WireGuard's own port",
                                                     forward.listen.to_string()));
    }
  }

  static bool collide(const base::Endpoint& a, const base::Endpoint& b) {
    return a.port == b.port && a.address.family() == b.address.family() &&
           (a.address == b.address || a.address.is_unspecified() || b.address.is_unspecified());
  }

  const Config& config_;
  Findings& findings_;
  const bool complete_;  // all of it could be read
};

}  // namespace

void check_config(const Config& config, Findings& findings) {
  Checker(config, findings).run();
}

}  // namespace culvert::app
