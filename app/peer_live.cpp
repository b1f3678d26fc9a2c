// The peers of the running server. A new one goes to its state database and may connect at once;
// its private key is made here and never sent.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "app/cli.hpp"
#include "app/config_files.hpp"
#include "app/human.hpp"
#include "app/peer_commands.hpp"
#include "app/report_text.hpp"
#include "app/show_text.hpp"
#include "base/random.hpp"
#include "base/secret.hpp"

namespace culvert::app {
namespace {

using control::url_encode;
using human::member;
using human::text_of;
using nlohmann::json;

// As much of the server's configuration as its status tells.
Config described(const json& status) {
  Config config;
  config.file = text_of(status, "config_file");
  config.directory = std::filesystem::path(config.file).parent_path().string();
  config.mtu = human::number_of(status, "mtu");
  if (!config.file.empty()) config.endpoint = endpoint_of(config.file);
  for (const json& text : member(status, "listen"))
    if (const auto bound = base::Endpoint::parse(text.is_string() ? text.get<std::string>() : ""))
      config.listen.push_back(*bound);
  for (const json& item : member(status, "address")) {
    const std::string text = item.is_string() ? item.get<std::string>() : "";
    const auto address = base::IpAddress::parse(text.substr(0, text.find('/')));
    const auto network = base::Prefix::parse(text);
    if (address && network) config.address.push_back({*address, *network});
  }
  return config;
}

// clients/NAME.conf beside the server's file; "" where there is none, or none that is ours.
std::string file_beside(const Config& config, const std::string& name) {
  if (config.file.empty() || config.file.front() != '/') return {};
  if (::access(config.directory.c_str(), W_OK) != 0) return {};
  return client_path(config, name);
}

std::string keep(const std::string& path, const std::string& text) {
  if (path.empty()) return "keep the client's file: nothing else has its key";
  const std::string directory = path.substr(0, path.rfind('/'));
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return fmt::format("warning: {}: cannot be made: {}", directory, std::strerror(errno));
  if (auto made = create_file(path, text, 0600); !made) return "warning: " + made.error();
  return "its file is " + path;
}

struct NewKeys {
  wg::PrivateKey key;
  wg::PresharedKey shared;
};

json post(PeerOptions& options, Running& server, const NewKeys& keys) {
  const bool own_key = !options.public_key.empty();
  json definition = {
      {"name", options.name},
      {"public_key", own_key ? options.public_key : wg::public_key_of(keys.key).to_string()}};
  if (!own_key) definition["preshared_key"] = wg::secret_key_text(keys.shared);
  if (!options.group.empty()) definition["group"] = options.group;
  if (!options.allowed_ips.empty()) definition["allowed_ips"] = options.allowed_ips;
  for (const auto& [key, value] : options.policy) definition[key] = value;
  std::string body = definition.dump(-1, ' ', false, json::error_handler_t::replace);
  const control::Answer answer = server.client.request("POST", "/v1/peers", body);
  base::wipe(std::as_writable_bytes(std::span(body)));
  if (!answer.ok()) refuse(answer);
  return json::parse(answer.body, nullptr, false);
}

std::string path_of_peer(const std::string& name) {
  return "/v1/peers/" + url_encode(name);
}

}  // namespace

int add_live(PeerOptions& options, Running& server) {
  if (!is_client_name(options.name))
    throw CommandError("the name of a peer: expected letters, digits, '.', '_' and '-'",
                       exit_usage);
  const Config config = described(server.status);
  const auto server_key = wg::PublicKey::parse(text_of(server.status, "public_key"));
  if (!server_key) throw CommandError("the server's answer has no public key");
  const std::string path = file_beside(config, options.name);
  if (!path.empty() && ::access(path.c_str(), F_OK) == 0)
    throw CommandError(path + " is there already: rename it, or take another name");
  ClientFile client;
  client.name = options.name;
  client.dns = options.dns.empty() ? default_client_dns(config) : options.dns;
  set_endpoint(client, options, config);
  base::SystemRandom random;
  const NewKeys keys{wg::generate_private_key(random), wg::generate_preshared_key(random)};
  const json peer = post(options, server, keys);
  for (const json& ip : member(peer, "allowed_ips"))
    if (const auto prefix = base::Prefix::parse(ip.is_string() ? ip.get<std::string>() : ""))
      client.addresses.push_back(*prefix);
  if (options.public_key.empty())
    client.private_key = &keys.key, client.preshared_key = &keys.shared;
  const std::string text = client_text(client, *server_key, config.mtu);
  fmt::print(stderr, "peer {} with {} may connect now; {}\n", options.name,
             human::joined(member(peer, "allowed_ips")), keep(path, text));
  if (options.json) {
    print(to_text({{"peer", peer}, {"config", text}}));
    return exit_done;
  }
  print(text);
  if (options.qr || ::isatty(STDOUT_FILENO) == 1)
    print(qr_code(text, ::isatty(STDOUT_FILENO) == 1));
  return exit_done;
}

int remove_live(PeerOptions& options, Running& server) {
  const json peer = ask(server.client, "GET", path_of_peer(options.name));
  const Config config = described(server.status);
  const std::string name = text_of(peer, "name");
  if (text_of(peer, "source") == "file") {
    // The file would bring it back: it goes from there, and the server reads it again.
    if (options.config.empty()) options.config = config.file;
    options.name = name;
    fmt::print(stderr, "{}", cut_from_file(options));
    ask(server.client, "POST", "/v1/config/reload");
  } else {
    ask(server.client, "DELETE", path_of_peer(options.name));
    const std::string path = file_beside(config, name);
    if (!path.empty()) fmt::print(stderr, "{}", retire_client_file(path, name));
  }
  print(options.json ? to_text({{"removed", name}})
                     : fmt::format("peer {} is removed, its flows are closed\n", name));
  return exit_done;
}

int list_live(PeerOptions& options, Running& server) {
  const json peers = member(ask(server.client, "GET", "/v1/peers"), "peers");
  print(options.json ? to_text(peers) : peer_list_text(peers));
  return exit_done;
}

int show_live(PeerOptions& options, Running& server) {
  const json peer = ask(server.client, "GET", path_of_peer(options.name));
  const base::WallTime now(std::chrono::system_clock::now());
  print(options.json ? to_text(peer) : peer_text(peer, now, false));
  return exit_done;
}

int client_file_live(PeerOptions& options, Running& server) {
  const control::Answer answer =
      server.client.request("GET", path_of_peer(options.name) + "/config", {}, {}, "text/plain");
  if (answer.ok()) {
    print_client_file(answer.body, options.qr);
    return exit_done;
  }
  const std::string path = file_beside(described(server.status), options.name);
  const auto file = path.empty() || !is_client_name(options.name)
                        ? base::Result<FileText>(base::Error{})
                        : read_file(path);
  if (!file) refuse(answer);
  print_client_file(file->text, options.qr);
  return exit_done;
}

}  // namespace culvert::app
