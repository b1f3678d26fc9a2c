// The peers of a configuration file, as `peer` edits and shows them.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "app/cli.hpp"
#include "app/client_file.hpp"
#include "app/config_edit.hpp"
#include "app/config_files.hpp"
#include "app/config_node.hpp"
#include "app/peer_commands.hpp"
#include "base/random.hpp"

namespace culvert::app {
namespace {

using Options = PeerOptions;

const std::string& file_of(Options& options) {
  if (options.config.empty()) options.config = default_config_path();
  return options.config;
}

const PeerEntry& find_peer(const Config& config, const std::string& name) {
  for (const PeerEntry& peer : config.peers)
    if (peer.name == name) return peer;
  std::vector<std::string> names;
  for (const PeerEntry& peer : config.peers) names.push_back(peer.name);
  throw CommandError(fmt::format(
      "no peer \"{}\" in {}; there {}: {}", name, config.file, names.size() == 1 ? "is" : "are",
      names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
}

std::vector<base::Prefix> addresses_for(const Options& options, const Config& config) {
  std::vector<base::Prefix> out;
  for (const std::string& text : options.allowed_ips) {
    const auto prefix = base::Prefix::parse(text);
    if (!prefix)
      throw CommandError(fmt::format("--allowed-ips {}: expected a prefix", text), exit_usage);
    out.push_back(*prefix);
  }
  if (!out.empty()) return out;
  auto free = free_addresses(config);
  if (!free) throw CommandError(free.error() + "; name some with --allowed-ips");
  return std::move(*free);
}

// The block goes in and the client's file is made, or neither.
void write_both(const Options& options, const std::string& text, const std::string& after,
                const std::string& path, const std::string& client_file) {
  if (auto good = only_peer_differs(text, after, options.config, options.name); !good)
    throw CommandError(good.error(), exit_usage);
  const std::string directory = path.substr(0, path.rfind('/'));
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    throw CommandError(fmt::format("{}: cannot be made: {}", directory, std::strerror(errno)));
  if (auto made = create_file(path, client_file, 0600); !made) throw CommandError(made.error());
  if (auto done = replace_file(options.config, after); !done) {
    ::unlink(path.c_str());
    throw CommandError(done.error());
  }
}

std::string read_text(const std::string& path) {
  auto file = read_file(path);
  if (!file) throw CommandError(file.error());
  return std::move(file->text);
}

nlohmann::json to_json(const PeerEntry& peer) {
  nlohmann::json ips = nlohmann::json::array();
  for (const base::Prefix& prefix : peer.allowed_ips) ips.push_back(prefix.to_string());
  return {{"name", peer.name},
          {"public_key", peer.public_key.to_string()},
          {"preshared_key", !peer.preshared_key.is_zero()},
          {"allowed_ips", ips},
          {"endpoint",
           peer.endpoint_text.empty() ? nlohmann::json() : nlohmann::json(peer.endpoint_text)},
          {"persistent_keepalive", peer.persistent_keepalive.count()},
          {"group", peer.group},
          {"place", peer.place}};
}

std::string to_text(const PeerEntry& peer) {
  std::vector<std::string> ips;
  for (const base::Prefix& prefix : peer.allowed_ips) ips.push_back(prefix.to_string());
  std::string text =
      fmt::format("peer: {}\n  public key: {}\n  preshared key: {}\n  allowed ips: {}\n", peer.name,
                  peer.public_key.to_string(), peer.preshared_key.is_zero() ? "none" : "(hidden)",
                  fmt::join(ips, ", "));
  if (!peer.endpoint_text.empty()) text += fmt::format("  endpoint: {}\n", peer.endpoint_text);
  if (peer.persistent_keepalive.count() != 0)
    text += fmt::format("  persistent keepalive: every {} s\n", peer.persistent_keepalive.count());
  if (!peer.group.empty()) text += fmt::format("  group: {}\n", peer.group);
  return text + fmt::format("  written at: {}\n", peer.place);
}

}  // namespace

void set_endpoint(ClientFile& client, const PeerOptions& options, const Config& config) {
  const std::uint16_t port =
      config.listen.empty() ? std::uint16_t{51820} : config.listen.front().port;
  std::string host = options.endpoint.empty() ? config.endpoint : options.endpoint;
  client.guessed_endpoint = host.empty();
  if (host.empty()) {
    const base::IpAddress bound =
        config.listen.empty() ? base::IpAddress{} : config.listen.front().address;
    host = bound.is_unspecified() ? own_address() : bound.to_string();
  }
  client.endpoint = with_port(host, port);
  if (client.endpoint.empty())
    throw CommandError(fmt::format("--endpoint {}: expected HOST or HOST:PORT", host), exit_usage);
}

std::string retire_client_file(const std::string& path, const std::string& name) {
  if (!is_client_name(name) || ::access(path.c_str(), F_OK) != 0) return {};
  if (::rename(path.c_str(), (path + ".removed").c_str()) != 0)
    return fmt::format("its file {} cannot be renamed: {}\n", path, std::strerror(errno));
  return fmt::format("its file is now {}.removed\n", path);
}

void print_client_file(const std::string& text, bool qr) {
  if (!qr) return print(text);
  const std::string code = qr_code(text, ::isatty(STDOUT_FILENO) == 1);
  if (code.empty()) throw CommandError("the client's file is too long for a QR code");
  print(code);
}

int add_to_file(PeerOptions& options) {
  if (!is_client_name(options.name))
    throw CommandError("the name of a peer: expected letters, digits, '.', '_' and '-'",
                       exit_usage);
  const std::string text = read_text(file_of(options));
  if (!options.group.empty() && is_wg_quick(text))
    throw CommandError("--group: a wg-quick file has no groups", exit_usage);
  for (const auto& [key, value] : options.policy) {
    if (is_wg_quick(text))
      throw CommandError(fmt::format("--{}: a wg-quick file has no limits", key), exit_usage);
    const auto odd = [](char c) { return c == '"' || c == '\\' || (c >= 0 && c < ' '); };
    if (std::ranges::any_of(value, odd))
      throw CommandError(fmt::format("--{}: expected no quotation marks", key), exit_usage);
  }
  const auto config = require_config(load_config(options.config, {}, Names::keep), false);
  for (const PeerEntry& peer : config->peers)
    if (peer.name == options.name)
      throw CommandError(fmt::format("there is a peer \"{}\" at {}", peer.name, peer.place));

  base::SystemRandom random;
  const bool own_key = !options.public_key.empty();
  const wg::PrivateKey key = wg::generate_private_key(random);
  const wg::PresharedKey shared = wg::generate_preshared_key(random);
  ClientFile client;
  client.name = options.name;
  client.addresses = addresses_for(options, *config);
  client.dns = options.dns.empty() ? default_client_dns(*config) : options.dns;
  set_endpoint(client, options, *config);
  NewPeer peer{options.name, options.public_key, "", options.group, {}, options.policy};
  if (!own_key) {
    client.private_key = &key;
    client.preshared_key = &shared;
    peer.public_key = wg::public_key_of(key).to_string();
    peer.preshared_key = wg::secret_key_text(shared);
  } else if (!wg::PublicKey::parse(options.public_key)) {
    throw CommandError("--public-key: expected 44 characters of base64", exit_usage);
  }
  for (const base::Prefix& prefix : client.addresses)
    peer.allowed_ips.push_back(prefix.to_string());

  const std::string path = client_path(*config, options.name);
  write_both(options, text, add_peer_block(text, peer), path, client_text(client, *config));
  print(fmt::format(
      "peer {} with {}; its file is {}\nA running culvert sees it after `culvert reload`.\n",
      options.name, fmt::join(peer.allowed_ips, ", "), path));
  return exit_done;
}

std::string cut_from_file(PeerOptions& options) {
  const std::string text = read_text(file_of(options));
  const auto config = require_config(load_config(options.config, {}, Names::keep), false);
  const PeerEntry& peer = find_peer(*config, options.name);
  const std::string after = cut_lines(text, peer.line, peer.last_line);
  if (auto good = only_peer_differs(text, after, options.config, peer.name); !good)
    throw CommandError(good.error(), exit_usage);
  if (auto done = replace_file(options.config, after); !done) throw CommandError(done.error());
  return fmt::format("peer {} is removed from {}\n", peer.name, options.config) +
         retire_client_file(client_path(*config, peer.name), peer.name);
}

int remove_from_file(PeerOptions& options) {
  print(cut_from_file(options) + "A running culvert drops it after `culvert reload`.\n");
  return exit_done;
}

int list_file(PeerOptions& options) {
  const auto config = require_config(load_config(file_of(options), {}, Names::keep), false);
  nlohmann::json all = nlohmann::json::array();
  std::string text;
  for (const PeerEntry& peer : config->peers) {
    all.push_back(to_json(peer));
    std::vector<std::string> ips;
    for (const base::Prefix& prefix : peer.allowed_ips) ips.push_back(prefix.to_string());
    text += fmt::format("{:<20} {} {}{}\n", peer.name, peer.public_key.to_string(),
                        fmt::join(ips, ","), peer.group.empty() ? "" : "  " + peer.group);
  }
  print(options.json ? all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"
                     : text);
  return exit_done;
}

int show_in_file(PeerOptions& options) {
  const auto config = require_config(load_config(file_of(options), {}, Names::keep), false);
  const PeerEntry& peer = find_peer(*config, options.name);
  print(options.json
            ? to_json(peer).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"
            : to_text(peer));
  return exit_done;
}

int client_file_of(PeerOptions& options) {
  const auto config = require_config(load_config(file_of(options), {}, Names::keep), false);
  const PeerEntry& peer = find_peer(*config, options.name);
  const std::string path = client_path(*config, peer.name);
  if (!is_client_name(peer.name) || ::access(path.c_str(), F_OK) != 0)
    throw CommandError(
        fmt::format("there is no {}: `culvert peer add` writes one, and only the client has "
                    "the key of a peer that was added in another way",
                    path));
  const std::string text = read_text(path);
  print_client_file(text, options.qr);
  return exit_done;
}

}  // namespace culvert::app
