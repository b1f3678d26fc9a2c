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
#include "control/calendar.hpp"
#include "control/peer.hpp"
#include "control/settings.hpp"
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

using control::GroupConfig;
using control::PeerEntry;
using control::Policy;
using control::Quota;

// The keys of a quota as a group gives them: a peer may override each for itself.
struct QuotaTerms {
  std::optional<Quota> amount;  // its bytes and its period
  bool throttle = false;
  std::uint64_t throttle_down = 0, throttle_up = 0;
  std::optional<unsigned> reset_day;
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
  dns::Settings dns;
  // dns.policy: what groups, and peers without one, start from.
  std::shared_ptr<const dns::Policy> dns_policy;
  control::Settings control;
  std::shared_ptr<const control::Calendar> calendar;  // of accounting.time_zone

  std::map<std::string, GroupConfig> groups;
  std::map<std::string, QuotaTerms> quota_terms;  // of the groups' members, by group
  std::vector<PeerEntry> peers;
  std::vector<ForwardEntry> forwards;
};

// Where a key of [server], [limits] or a group stands; the file, or the environment, if it was left
// out.
std::string place_of(const Config& config, const std::string& key);

struct Loaded {
  std::unique_ptr<Config> config;  // null if anything fatal was found
  std::vector<Finding> findings;
};

// The control socket of a server that runs `file` ("" = the environment), also where the file has
// mistakes elsewhere; "" = none.
std::string control_socket_of(const std::string& file);
// Its server.endpoint, likewise.
std::string endpoint_of(const std::string& file);

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
