#include "app/config_edit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "app/config_node.hpp"

namespace culvert::app {
namespace {

constexpr int longest_search = 70000;  // addresses tried in one network

std::string toml_block(const NewPeer& peer) {
  std::string ips;
  for (const std::string& prefix : peer.allowed_ips)
    ips += fmt::format("{}\"{}\"", ips.empty() ? "" : ", ", prefix);
  std::string text =
      fmt::format("[[peer]]\nname = \"{}\"\npublic_key = \"{}\"\n", peer.name, peer.public_key);
  if (!peer.preshared_key.empty())
    text += fmt::format("preshared_key = \"{}\"\n", peer.preshared_key);
  text += fmt::format("allowed_ips = [{}]\n", ips);
  if (!peer.group.empty()) text += fmt::format("group = \"{}\"\n", peer.group);
  for (const auto& [key, value] : peer.policy) text += fmt::format("{} = \"{}\"\n", key, value);
  return text;
}

std::string wg_quick_block(const NewPeer& peer) {
  std::string text =
      fmt::format("[Peer]\n# friendly_name = {}\nPublicKey = {}\n", peer.name, peer.public_key);
  if (!peer.preshared_key.empty()) text += fmt::format("PresharedKey = {}\n", peer.preshared_key);
  return text + fmt::format("AllowedIPs = {}\n", fmt::join(peer.allowed_ips, ", "));
}

// Everything about a peer but where it stands.
std::string summary(const PeerEntry& peer) {
  std::string text = fmt::format("{} {} {} {}", peer.public_key.to_string(), peer.group,
                                 peer.endpoint_text, peer.persistent_keepalive.count());
  for (const base::Prefix& prefix : peer.allowed_ips) text += " " + prefix.to_string();
  return text;
}

std::map<std::string, std::string> summaries(const Config& config) {
  std::map<std::string, std::string> out;
  for (const PeerEntry& peer : config.peers) out.emplace(peer.name, summary(peer));
  return out;
}

std::array<std::byte, 16> bytes_of(const base::IpAddress& address) {
  std::array<std::byte, 16> out{};
  std::copy(address.bytes().begin(), address.bytes().end(), out.begin());
  return out;
}

base::IpAddress next(const base::IpAddress& address) {
  if (address.is_v4()) return base::IpAddress::v4(address.v4_word() + 1);
  auto bytes = bytes_of(address);
  for (std::size_t i = 16; i-- > 0;) {
    bytes[i] = static_cast<std::byte>(static_cast<unsigned>(bytes[i]) + 1u);
    if (bytes[i] != std::byte{0}) break;
  }
  return base::IpAddress::v6(bytes);
}

}  // namespace

std::string add_peer_block(std::string_view text, const NewPeer& peer) {
  std::string out(text);
  if (!out.empty() && out.back() != '\n') out += '\n';
  if (!out.empty()) out += '\n';
  return out + (is_wg_quick(text) ? wg_quick_block(peer) : toml_block(peer));
}

std::string cut_lines(std::string_view text, unsigned first, unsigned last) {
  const auto start_of = [&](unsigned line) {
    std::size_t at = 0;
    for (unsigned i = 1; i < line && at < text.size(); ++i)
      at = std::min(text.find('\n', at), text.size() - 1) + 1;
    return at;
  };
  std::size_t from = start_of(first);
  const std::size_t to = start_of(last + 1);
  if (first > 1) {
    const std::size_t before = start_of(first - 1);
    if (trim(text.substr(before, from - before - 1)).empty()) from = before;
  }
  return std::string(text.substr(0, from)) + std::string(text.substr(to));
}

base::Result<bool> only_peer_differs(const std::string& before, const std::string& after,
                                     const std::string& file, const std::string& name) {
  const Loaded old = load_config_text(before, file, {}, Names::keep);
  const Loaded made = load_config_text(after, file, {}, Names::keep);
  if (made.config == nullptr) {
    std::string text = "the file would not check any more, nothing was changed";
    for (const Finding& finding : made.findings)
      if (finding.fatal) text += "\n  " + finding.to_string();
    return base::Error{text};
  }
  auto was = old.config == nullptr ? summaries(*made.config) : summaries(*old.config);
  auto is = summaries(*made.config);
  if (was.count(name) == is.count(name))
    return base::Error{"the edit would not change that peer, nothing was changed"};
  was.erase(name);
  is.erase(name);
  if (was != is) return base::Error{"the edit would change another peer too, nothing was changed"};
  return true;
}

base::Result<std::vector<base::Prefix>> free_addresses(const Config& config) {
  std::vector<base::Prefix> held;
  for (const PeerEntry& peer : config.peers)
    held.insert(held.end(), peer.allowed_ips.begin(), peer.allowed_ips.end());
  return free_addresses(config.address, held);
}

base::Result<std::vector<base::Prefix>> free_addresses(const std::vector<Config::Address>& all_own,
                                                       const std::vector<base::Prefix>& held) {
  std::set<base::IpAddress> taken;
  std::vector<base::Prefix> networks;  // of peers, larger than one address
  for (const base::Prefix& prefix : held)
    if (prefix.length() == prefix.address().bits())
      taken.insert(prefix.address());
    else if (prefix.length() != 0)
      networks.push_back(prefix);
  std::vector<base::Prefix> out;
  for (const Config::Address& own : all_own) {
    base::IpAddress address = own.network.address();
    bool found = false;
    for (int i = 0; i < longest_search && !found; ++i) {
      address = next(address);
      if (!own.network.contains(address)) break;
      const base::IpAddress after = next(address);
      const bool broadcast = address.is_v4() && !own.network.contains(after);
      found = !broadcast && address != own.address && taken.count(address) == 0 &&
              std::none_of(networks.begin(), networks.end(), [&](const base::Prefix& prefix) {
                return !prefix.contains(own.network) && prefix.contains(address);
              });
    }
    if (!found) return base::Error{fmt::format("no free address in {}", own.network.to_string())};
    out.emplace_back(address, address.bits());
  }
  return out;
}

}  // namespace culvert::app
