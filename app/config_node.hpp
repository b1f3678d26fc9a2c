// Node: the configuration as a tree, whatever it was written in. A TOML file, a wg-quick file, the
// environment and --set all become such a tree with the key names of TOML, and one reader (see
// config_read.cpp) makes the Config of it. Every node knows the place to name in a finding.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/config.hpp"
#include "base/result.hpp"

namespace culvert::app {

struct Node {
  enum class Kind { table, array, string, integer, real, boolean, other };

  // Defined elsewhere: a tree that holds itself is complete only behind this.
  Node();
  Node(const Node&);
  Node(Node&&) noexcept;
  Node& operator=(const Node&);
  Node& operator=(Node&&) noexcept;
  ~Node();

  Kind kind = Kind::table;
  std::string text;  // a string, or how any other scalar was written
  std::int64_t integer = 0;
  bool boolean = false;
  bool bare = false;  // untyped text: the reader takes it as the type the key asks for
  bool lenient =
      false;  // from a form we do not define: host bits in a prefix are masked, not refused
  std::vector<std::pair<std::string, Node>> entries;  // of a table, in file order
  std::vector<Node> items;                            // of an array
  std::string place;
  unsigned line = 0, last_line = 0;

  Node* find(std::string_view key);
  Node& add(std::string key, Node child);
  void erase(std::string_view key);
  void wipe();  // the text of this node, if it held a secret

  static Node table(std::string place);
  static Node string(std::string text, std::string place, bool bare = false);
  static Node array(std::string place);
};

class Findings {
 public:
  explicit Findings(std::vector<Finding>& list) : list_(list) {}
  void error(std::string place, std::string text);
  void warn(std::string place, std::string text);
  bool fatal() const;

 private:
  std::vector<Finding>& list_;
};

// The sources. Each reports what it cannot read and returns the rest.
Node parse_toml(std::string_view text, const std::string& file, Findings& findings);
bool is_wg_quick(std::string_view text);
Node parse_wg_quick(std::string_view text, const std::string& file, Findings& findings);
Node read_environment(const std::function<const char*(const char*)>& get, Findings& findings);
void apply_settings(Node& root, const std::vector<Setting>& settings, Findings& findings);

// The tree to a Config, key by key; then what only shows when the whole is seen.
void read_config(Node& root, Config& config, Findings& findings);
void read_control(Node& root, Config& config, Findings& findings);
void read_groups(Node& root, Config& config, Findings& findings);
void read_peers(Node& root, Config& config, Findings& findings);
// One table of [[peer]], wherever it came from. `config` has the groups and the limits.
PeerEntry read_peer(Node& node, const Config& config, Findings& findings);
void read_forwards(Node& root, Config& config, Findings& findings);
void check_config(const Config& config, Findings& findings);
// Limits and quotas against each other.
void check_allowances(const Config& config, Findings& findings);
// Lists that are not there or that nobody uses, upstreams that lead back to this server.
void check_dns(const Config& config, Findings& findings);
// The same of what a peer's definition says for itself. A finding's place is the key.
void check_peer_dns(const PeerEntry& peer, const Config& config, Findings& findings);

// RFC 8200 section 5: a link of IPv6 carries 1280 bytes.
inline constexpr std::size_t smallest_mtu6 = 1280;

// A path as the configuration means it: relative to its own directory.
std::string path_of(const Config& config, const std::string& path);

// The text at most one edit (insert, delete, replace, swap) away from `wrong`; empty if there is
// none.
std::string_view nearest(std::string_view wrong, const std::vector<std::string>& known);
std::string lower(std::string_view text);
std::string_view trim(std::string_view text);
// "a, b,c" into its parts, trimmed; empty parts stay, empty text has none.
std::vector<std::string> split_list(std::string_view text);

}  // namespace culvert::app
