// The tree to a Config: [group.x], [[peer]], [[forward]].
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>

#include "app/config_files.hpp"
#include "app/config_policy.hpp"
#include "app/config_reader.hpp"

namespace culvert::app {
namespace {

bool printable(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f && c != '/';
  });
}

void read_preshared_key(TableReader& table, PeerEntry& peer, const Config& config,
                        Findings& findings) {
  Node* inline_key = table.take("preshared_key");
  Node* file = table.take("preshared_key_file");
  if (inline_key != nullptr && file != nullptr)
    return table.wrong("preshared_key_file", *file, "either preshared_key or preshared_key_file");
  std::string text;
  const Node* from = inline_key != nullptr ? inline_key : file;
  if (inline_key != nullptr) {
    text = inline_key->text;
    inline_key->wipe();
  } else if (std::string name; table.string("preshared_key_file", name)) {
    auto read = read_key_file(path_of(config, name));
    if (!read) return findings.error(file->place, "peer.preshared_key_file: " + read.error());
    text = std::move(*read);
    text.erase(std::min(text.find_last_not_of(" \t\r\n") + 1, text.size()));
  } else {
    return;
  }
  auto key = wg::parse_secret_key(text);
  base::wipe(std::as_writable_bytes(std::span(text)));
  if (!key)
    return findings.error(from->place,
                          "peer.preshared_key is not a key, expected 44 characters of base64, "
                          "as `culvert genpsk` prints");
  peer.preshared_key = std::move(*key);
}

void read_allowed_ips(TableReader& table, PeerEntry& peer, Findings& findings) {
  for (const Node& node : table.strings("allowed_ips")) {
    base::Prefix prefix;
    if (!read_prefix(table, "allowed_ips", node, findings, prefix)) continue;
    if (std::find(peer.allowed_ips.begin(), peer.allowed_ips.end(), prefix) !=
        peer.allowed_ips.end())
      findings.warn(node.place, fmt::format("peer.allowed_ips names {} twice", prefix.to_string()));
    else
      peer.allowed_ips.push_back(prefix);
  }
}

// The only family that the server has a socket of; AF_UNSPEC if it has both.
int family_of(const std::vector<base::Endpoint>& listen) {
  bool v4 = false, v6 = false;
  for (const base::Endpoint& each : listen) (each.address.is_v4() ? v4 : v6) = true;
  if (v4 == v6) return AF_UNSPEC;
  return v4 ? AF_INET : AF_INET6;
}

void read_peer_endpoint(TableReader& table, PeerEntry& peer, const Config& config) {
  std::string text;
  if (!table.string("endpoint", text) || text.empty()) return;
  const Node& node = *table.take("endpoint");
  if (!is_host_port(text))
    return table.wrong("endpoint", node,
                       "an address or a host name, and a port: \"192.0.2.1:51820\"");
  peer.endpoint_text = text;
  peer.endpoint = base::Endpoint::parse(text);
  if (peer.endpoint || config.names == Names::keep) return;
  const auto found = look_up(text, family_of(config.listen));
  if (found)
    peer.endpoint = *found;
  else
    table.wrong("endpoint", node, "a name that can be looked up now: " + found.error());
}

}  // namespace

PeerEntry read_peer(Node& node, const Config& config, Findings& findings) {
  TableReader table(&node, "peer", findings);
  PeerEntry peer;
  peer.place = node.place;
  peer.line = node.line;
  peer.last_line = node.last_line;
  std::string key;
  if (const Node* at = table.take("public_key"); at == nullptr) {
    findings.error(node.place, "peer.public_key is missing, expected the client's public key");
  } else if (table.string("public_key", key)) {
    if (const auto parsed = wg::PublicKey::parse(key))
      peer.public_key = *parsed;
    else
      table.wrong("public_key", *at, "a key: 44 characters of base64");
  }
  peer.name = key.substr(0, 44);
  if (table.string("name", peer.name) && !printable(peer.name))
    table.wrong("name", *table.take("name"), "1 to 64 printable characters without '/'");
  read_preshared_key(table, peer, config, findings);
  read_allowed_ips(table, peer, findings);
  read_peer_endpoint(table, peer, config);
  table.seconds("persistent_keepalive", peer.persistent_keepalive, 0, 65535);
  peer.policy.limits = config.limits;
  peer.policy.dns = config.dns_policy;
  QuotaTerms terms;
  if (table.string("group", peer.group) && !peer.group.empty()) {
    const auto group = config.groups.find(peer.group);
    const auto of_members = config.quota_terms.find(peer.group);
    if (of_members != config.quota_terms.end()) terms = of_members->second;
    if (group != config.groups.end())
      peer.policy = group->second;
    else
      table.wrong("group", *table.take("group"), fmt::format("a section [group.{}]", peer.group));
  }
  read_policy(table, peer.policy, findings);
  read_allowance(table, Whose::peer, *config.calendar, peer.policy, terms, findings);
  table.finish();
  return peer;
}

void read_groups(Node& root, Config& config, Findings& findings) {
  Node* groups = root.find("group");
  if (groups == nullptr) return;
  if (groups->kind != Node::Kind::table)
    return findings.error(groups->place, "group is no table, expected sections [group.NAME]");
  for (auto& [name, node] : groups->entries) {
    TableReader table(&node, "group." + name, findings);
    if (!printable(name))
      findings.error(node.place,
                     "the name of a group: expected 1 to 64 printable characters "
                     "without '/'");
    GroupConfig group;
    group.name = name;
    group.limits = config.limits;
    group.dns = config.dns_policy;
    read_policy(table, group, findings);
    read_allowance(table, Whose::members, *config.calendar, group, config.quota_terms[name],
                   findings);
    read_totals(table, group, findings);
    table.finish();
    for (const auto& [key, child] : node.entries)
      config.places.emplace(fmt::format("group.{}.{}", name, key), child.place);
    config.groups.emplace(name, std::move(group));
  }
}

void read_peers(Node& root, Config& config, Findings& findings) {
  TableReader whole(&root, "", findings);
  for (Node* node : whole.tables("peer"))
    config.peers.push_back(read_peer(*node, config, findings));
}

void read_forwards(Node& root, Config& config, Findings& findings) {
  TableReader whole(&root, "", findings);
  for (Node* node : whole.tables("forward")) {
    TableReader table(node, "forward", findings);
    ForwardEntry forward;
    forward.place = node->place;
    bool complete = true;
    for (const auto& [key, field] :
         {std::pair("listen", &forward.listen), std::pair("to", &forward.to)}) {
      std::string text;
      const auto endpoint = table.string(key, text) ? base::Endpoint::parse(text) : std::nullopt;
      if (endpoint && endpoint->port != 0) {
        *field = *endpoint;
        continue;
      }
      complete = false;
      if (Node* at = table.take(key); at != nullptr)
        table.wrong(key, *at, "an address and a port, such as \"10.8.0.2:80\"");
      else
        findings.error(node->place,
                       fmt::format("forward.{} is missing, expected an address and a port", key));
    }
    std::string protocol = "tcp";
    table.choice("protocol", protocol, {"tcp", "udp"});
    forward.protocol = protocol == "udp" ? base::Protocol::udp : base::Protocol::tcp;
    table.finish();
    if (complete) config.forwards.push_back(std::move(forward));
  }
}

}  // namespace culvert::app
