// Config: everything section 10 of the design names, checked. Three sources make the same struct: a
// TOML file, an unchanged wg-quick file, and wgslirp's WG_* environment. --set overrides any of
// them.
//
// Every mistake is reported, not only the first: "file:line: what was found, what was expected".
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.hpp"
#include "base/log.hpp"
#include "proxy/egress_policy.hpp"
#include "proxy/limits.hpp"
#include "wg/keys.hpp"

namespace culvert::app {

// One finding about the configuration.
struct Finding {
  std::string place;  // "culvert.toml:12", "environment WG_MTU", "--set server.mtu"
  std::string text;   // what was found and what was expected
  bool fatal = true;  // false: a warning, the rest goes on
  std::string to_string() const;
};

// So many bytes in a calendar day, week or month.
struct Quota {
  enum class Period { day, week, month };
  std::uint64_t bytes = 0;
  Period period = Period::month;
};

// What a group sets and a peer may override, and what a peer ends up with.
struct Policy {
  std::shared_ptr<const proxy::EgressRules> egress;  // null = only the global rules
  proxy::Limits limits;                              // the global ones where nothing was said
  bool full_cone = false;                            // UDP replies from anyone
  // Parsed and checked; this version does not act on them (and says so).
  std::uint64_t down = 0, up = 0;  // bits per second, 0 = unlimited
  std::optional<Quota> quota;
  std::vector<std::string> dns_lists;
};

struct GroupConfig : Policy {
  std::string name;
};

struct PeerEntry {
  std::string name;
  wg::PublicKey public_key;
  wg::PresharedKey preshared_key;
  std::vector<base::Prefix> allowed_ips;
  std::optional<base::Endpoint> endpoint;  // none if its name was not looked up
  std::string endpoint_text;               // as it was written, "" = none
  std::chrono::seconds persistent_keepalive{0};
  std::string group;  // "" = none
  Policy policy;      // of the group, with the overrides of the peer: the one to act on
  std::string place;
  unsigned line = 0, last_line = 0;  // of its block in the file
};

// Are the host names in peers' endpoints looked up? Not for what only edits or prints the file: it
// need not wait for a resolver.
enum class Names { look_up, keep };

struct ForwardEntry {
  base::Endpoint listen;
  base::Endpoint to;
  base::Protocol protocol = base::Protocol::tcp;
  std::string place;
};

struct DnsList {
  std::string name, path, url, format = "auto";
};

struct DnsConfig {
  std::vector<std::string> upstream;
  bool intercept = true;
  std::vector<DnsList> lists;
};

struct Config {
  Names names = Names::look_up;
  std::string file;                           // what it was read from; "" = environment
  std::string directory;                      // relative paths are relative to this
  std::map<std::string, std::string> places;  // "server.listen": "culvert.toml:3"

  wg::PrivateKey private_key;
  std::vector<base::Endpoint> listen;  // at most one per family
  struct Address {
    base::IpAddress address;
    base::Prefix network;
  };
  std::vector<Address> address;  // of the server inside the tunnel; at most one per family
  std::string endpoint;          // server.endpoint: "HOST:PORT" for the files of clients, or ""
  std::size_t mtu = 1420;
  unsigned workers = 0;   // 0 = auto (cores)
  std::string state_dir;  // "" = nothing persists
  std::string control_socket;
  std::string interface = "culvert0";
  std::string uapi_dir = "/var/run/wireguard";
  std::string http = "127.0.0.1:9586";
  std::string aead = "auto";    // server.aead: auto, ipsec-mb, openssl, libsodium
  bool gso = true, gro = true;  // server.gso, server.gro
  bool sandbox = true;          // server.sandbox
  bool overlay = false;         // server.overlay: clients may reach each other
  base::log::Level log_level = base::log::Level::info;
  base::log::Format log_format = base::log::Format::text;

  proxy::EgressRules egress;
  base::IpAddress source4, source6;
  bool refuse_with_icmp = false;  // limits.tcp_refused = "rst" | "icmp"
  proxy::Limits limits;
  std::size_t receive_window_max = 16 << 20, send_buffer_max = 16 << 20;
  std::size_t window_budget = 512 << 20;
  DnsConfig dns;  // parsed and checked; this version does not act on it

  std::map<std::string, GroupConfig> groups;
  std::vector<PeerEntry> peers;
  std::vector<ForwardEntry> forwards;
};

// Where a key of [server] or [limits] stands; the file, or the environment, if it was left out.
std::string place_of(const Config& config, const std::string& key);

struct Loaded {
  std::unique_ptr<Config> config;  // null if anything fatal was found
  std::vector<Finding> findings;
};

struct Setting {
  std::string key, value;  // --set key=value
};

// TOML, or a wg-quick file (told by its first section). Never throws for what a file contains;
// opens the key files that it names.
Loaded load_config(const std::string& path, const std::vector<Setting>& settings,
                   Names names = Names::look_up);
// The same, of `text` that `file` may not hold yet.
Loaded load_config_text(std::string text, const std::string& file,
                        const std::vector<Setting>& settings, Names names = Names::look_up);
// The WG_* environment; `get` is getenv.
Loaded load_environment(const std::function<const char*(const char*)>& get,
                        const std::vector<Setting>& settings);

}  // namespace culvert::app
