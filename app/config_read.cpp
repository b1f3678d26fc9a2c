// The tree to a Config: [server], [egress], [limits], [dns]. Peers and the rest:
// config_read_peers.cpp.
#include <fmt/format.h>

#include <algorithm>

#include "app/config_files.hpp"
#include "app/config_policy.hpp"
#include "app/config_reader.hpp"

namespace culvert::app {
namespace {

constexpr std::string_view key_form = "44 characters of base64, as `culvert genkey` prints";
constexpr std::uint16_t default_port = 51820;

void read_private_key(TableReader& server, Config& config, Findings& findings) {
  Node* inline_key = server.take("private_key");
  Node* file = server.take("private_key_file");
  if (inline_key != nullptr && file != nullptr)
    return server.wrong("private_key_file", *file, "either private_key or private_key_file");
  std::optional<wg::PrivateKey> key;
  if (inline_key != nullptr) {
    key = wg::parse_secret_key(inline_key->text);
    inline_key->wipe();
    if (!key || key->is_zero())
      return findings.error(inline_key->place,
                            fmt::format("server.private_key is not a key, expected {}", key_form));
  } else if (std::string name; server.string("private_key_file", name)) {
    auto text = read_key_file(path_of(config, name));
    if (!text) return findings.error(file->place, "server.private_key_file: " + text.error());
    std::string_view word = *text;
    while (!word.empty() && word.find_last_of(" \t\r\n") == word.size() - 1) word.remove_suffix(1);
    key = wg::parse_secret_key(word);
    base::wipe(std::as_writable_bytes(std::span(*text)));
    if (!key || key->is_zero())
      return findings.error(file->place,
                            fmt::format("server.private_key_file: {} holds no key, expected {}",
                                        path_of(config, name), key_form));
  } else if (file == nullptr) {
    return findings.error(server.place().empty() ? config.file : server.place(),
                          "server.private_key_file is missing, expected a file with the server's "
                          "private key");
  }
  if (key) config.private_key = std::move(*key);
}

void read_listen(TableReader& server, Config& config) {
  std::uint16_t port = default_port;
  const bool by_list = server.has("listen");
  if (server.number("listen_port", port, 1, 65535) && by_list)
    server.wrong("listen_port", *server.take("listen_port"), "either listen or listen_port");
  for (const Node& node : server.strings("listen")) {
    const auto endpoint = base::Endpoint::parse(node.text);
    if (!endpoint || endpoint->port == 0)
      server.wrong("listen", node,
                   "an address and a port, such as \"0.0.0.0:51820\" or \"[::]:51820\"");
    else
      config.listen.push_back(*endpoint);
  }
  if (by_list) return;
  config.listen.push_back({base::IpAddress::any(base::IpAddress::Family::v4), port});
  config.listen.push_back({base::IpAddress::any(base::IpAddress::Family::v6), port});
}

std::optional<Config::Address> parse_address(std::string_view text) {
  const auto address =
      base::IpAddress::parse(text.substr(0, std::min(text.find('/'), text.size())));
  const auto network = base::Prefix::parse(text);
  if (!address || !network) return {};
  return Config::Address{*address, *network};
}

// wg-quick gives an interface as many addresses as one likes; the stack has one of each family.
void add_address(TableReader& server, const Node& node, const Config::Address& address,
                 Config& config, Findings& findings) {
  const auto first = std::find_if(
      config.address.begin(), config.address.end(),
      [&](const auto& own) { return own.address.family() == address.address.family(); });
  if (first == config.address.end()) return config.address.push_back(address);
  if (!node.lenient)
    return server.wrong("address", node,
                        fmt::format("one address of each family, and {} is there already",
                                    first->address.to_string()));
  findings.warn(node.place,
                fmt::format("server.address {} is not answered: {} is the server's, and "
                            "it has one of each family",
                            address.address.to_string(), first->address.to_string()));
}

void read_address(TableReader& server, Config& config, Findings& findings) {
  for (const Node& node : server.strings("address")) {
    const auto address = parse_address(node.text);
    if (!address || address->address.is_unspecified())
      server.wrong("address", node, "an address with its network, such as \"10.8.0.1/24\"");
    else
      add_address(server, node, *address, config, findings);
  }
}

void read_workers(TableReader& server, Config& config) {
  const Node* node = server.take("workers");
  if (node != nullptr && node->kind == Node::Kind::string && node->text == "auto") return;
  server.number("workers", config.workers, 1, 255);
}

void read_log(TableReader& server, Config& config) {
  using base::log::Format;
  using base::log::Level;
  const std::vector<std::string> levels = {"debug", "info", "warn", "error", "off"};
  std::string level = "info", format = "text";
  if (server.choice("log_level", level, levels))
    config.log_level =
        static_cast<Level>(std::find(levels.begin(), levels.end(), level) - levels.begin());
  server.choice("log_format", format, {"text", "json"});
  config.log_format = format == "json" ? Format::json : Format::text;
}

bool is_loopback(const base::IpAddress& address) {
  return base::Prefix::parse("127.0.0.0/8")->contains(address) ||
         address == *base::IpAddress::parse("::1");
}

void read_http(TableReader& server, Config& config, Findings& findings) {
  std::string& token = config.control.token;
  token = read_secret(server, "http_token", config, findings);
  const bool plain =
      std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 127; });
  if (Node* at = server.take(server.has("http_token") ? "http_token" : "http_token_file");
      !token.empty() && (token.size() < 16 || token.size() > 512 || !plain))
    findings.error(at->place,
                   fmt::format("server.http_token has {} characters, expected 16 to 512 "
                               "printable ones without spaces, as `culvert genpsk` prints",
                               token.size()));
  if (!server.string("http", config.http) || config.http.empty()) return;
  const Node& node = *server.take("http");
  const auto endpoint = base::Endpoint::parse(config.http);
  if (!endpoint || endpoint->port == 0)
    return server.wrong("http", node, "an address and a port, or \"\" for none");
  if (!is_loopback(endpoint->address))
    findings.warn(node.place,
                  fmt::format("server.http = \"{}\" has no TLS: {} for whoever is on the way; put "
                              "it behind a proxy that has, or on 127.0.0.1",
                              config.http,
                              token.empty() ? "the metrics are open"
                                            : "the metrics are open, and http_token is readable"));
}

void read_status_line(TableReader& server, Config& config) {
  control::StatusLineSettings& line = config.control.status_line;
  server.seconds("status_line", line.interval, 0, 86400);
  std::string format = "text";
  server.choice("status_line_format", format, {"text", "json"});
  line.json = format == "json";
}

void read_server(Node* table, Config& config, Findings& findings) {
  TableReader server(table, "server", findings);
  read_private_key(server, config, findings);
  read_listen(server, config);
  read_address(server, config, findings);
  server.number("mtu", config.mtu, 576, 65535);
  read_workers(server, config);
  read_paths(server, config, findings);
  read_uapi(server, config, findings);
  read_http(server, config, findings);
  read_status_line(server, config);
  if (server.string("endpoint", config.endpoint) && !config.endpoint.empty() &&
      !is_host_port(config.endpoint))
    server.wrong("endpoint", *server.take("endpoint"),
                 "a host and a port, such as \"vpn.example.org:51820\"");
  server.choice("aead", config.aead, {"auto", "ipsec-mb", "openssl", "libsodium"});
  server.boolean("gso", config.gso);
  server.boolean("gro", config.gro);
  server.boolean("sandbox", config.sandbox);
  server.boolean("overlay", config.overlay);
  read_log(server, config);
  server.finish();
}

void read_egress(Node* table, Config& config, Findings& findings) {
  TableReader egress(table, "egress", findings);
  read_egress_rules(egress, config.egress);
  for (const Node& node : egress.strings("source_address")) {
    const auto address = base::IpAddress::parse(node.text);
    base::IpAddress& field = address && address->is_v4() ? config.source4 : config.source6;
    if (!address || address->is_unspecified())
      egress.wrong("source_address", node, "an address of this host");
    else if (field)
      egress.wrong("source_address", node, "at most one address of each family");
    else
      field = *address;
  }
  egress.finish();
}

void read_limits(Node* table, Config& config, Findings& findings) {
  TableReader limits(table, "limits", findings);
  read_client_limits(limits, config.limits);
  read_worker_limits(limits, config.limits);
  std::string refused = "rst";
  limits.choice("tcp_refused", refused, {"rst", "icmp"});
  config.refuse_with_icmp = refused == "icmp";
  limits.size("receive_window_max", config.receive_window_max, 16 << 10, 16 << 20);
  limits.size("send_buffer_max", config.send_buffer_max, 16 << 10, 16 << 20);
  limits.size("window_budget", config.window_budget, 1 << 20, std::uint64_t{1} << 40);
  limits.finish();
}

}  // namespace

void read_config(Node& root, Config& config, Findings& findings) {
  TableReader whole(&root, "", findings);
  for (const char* section : {"server", "limits", "dns"})
    if (Node* table = root.find(section))
      for (const auto& [key, node] : table->entries)
        config.places.emplace(std::string(section) + "." + key, node.place);
  for (const char* section : {"accounting", "webhook", "admission", "group", "peer", "forward"})
    whole.known(section);
  read_server(whole.take("server"), config, findings);
  read_egress(whole.take("egress"), config, findings);
  read_limits(whole.take("limits"), config, findings);
  read_dns(TableReader(whole.take("dns"), "dns", findings), config, findings);
  whole.finish();
  read_control(root, config, findings);
  read_groups(root, config, findings);
  read_peers(root, config, findings);
  read_forwards(root, config, findings);
}

}  // namespace culvert::app
