// An unchanged wg-quick(8) file to the tree of config_node.hpp. Keys and sections in any case, as
// wg reads them; '#' starts a comment. Commands of wg-quick are named and ignored: culvert runs
// nothing.
#include <fmt/format.h>

#include <algorithm>

#include "app/config_node.hpp"

namespace culvert::app {
namespace {

struct Key {
  std::string_view written, ours;
  bool list = false;
};

constexpr Key interface_keys[] = {{"PrivateKey", "private_key"},
                                  {"Address", "address", true},
                                  {"ListenPort", "listen_port"},
                                  {"MTU", "mtu"}};
constexpr Key peer_keys[] = {{"PublicKey", "public_key"},
                             {"PresharedKey", "preshared_key"},
                             {"AllowedIPs", "allowed_ips", true},
                             {"Endpoint", "endpoint"},
                             {"PersistentKeepalive", "persistent_keepalive"}};
constexpr std::string_view ignored_keys[] = {"DNS",   "Table",    "SaveConfig", "PostUp",
                                             "PreUp", "PostDown", "PreDown",    "FwMark"};

bool same(std::string_view a, std::string_view b) {
  return lower(a) == lower(b);
}

template <class Keys>
const Key* find_key(const Keys& keys, std::string_view name) {
  for (const Key& key : keys)
    if (same(key.written, name)) return &key;
  return nullptr;
}

class Parser {
 public:
  Parser(const std::string& file, Findings& findings)
      : file_(file), findings_(findings), server_(Node::table(file)), peers_(Node::array(file)) {}

  Node parse(std::string_view text) {
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      ++line_;
      read_line(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    Node root = Node::table(file_);
    root.add("server", std::move(server_));
    root.add("peer", std::move(peers_));
    return root;
  }

 private:
  enum class Section { none, interface, peer, unknown };

  std::string place() const { return fmt::format("{}:{}", file_, line_); }

  void read_line(std::string_view raw) {
    const std::size_t hash = std::min(raw.find('#'), raw.size());
    if (hash < raw.size()) read_comment(raw.substr(hash + 1));
    const std::string_view line = trim(raw.substr(0, hash));
    if (line.empty()) return;
    if (line.front() == '[') return open_section(line);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos)
      return findings_.error(place(),
                             fmt::format("\"{}\", expected Key = value", line.substr(0, 60)));
    read_key(trim(line.substr(0, equals)), trim(line.substr(equals + 1)));
  }

  void open_section(std::string_view line) {
    section_ = Section::unknown;
    if (same(line, "[Interface]")) {
      if (server_.line != 0)
        findings_.error(place(),
                        fmt::format("a second [Interface], the first is at line {}", server_.line));
      section_ = Section::interface;
      server_.place = place();
      server_.line = server_.last_line = line_;
    } else if (same(line, "[Peer]")) {
      section_ = Section::peer;
      peers_.items.push_back(Node::table(place()));
      peers_.items.back().line = peers_.items.back().last_line = line_;
    } else {
      findings_.error(place(),
                      fmt::format("{}, expected [Interface] or [Peer]", line.substr(0, 60)));
    }
  }

  void read_comment(std::string_view comment) {
    const std::size_t equals = comment.find('=');
    if (section_ != Section::peer || equals == std::string_view::npos) return;
    if (!same(trim(comment.substr(0, equals)), "friendly_name")) return;
    set({"friendly_name", "name"}, trim(comment.substr(equals + 1)));
  }

  void read_key(std::string_view name, std::string_view value) {
    if (section_ == Section::unknown) return;  // said at its header
    if (section_ == Section::none)
      return findings_.error(
          place(), fmt::format("{} before any section, expected [Interface]", name.substr(0, 60)));
    const bool in_peer = section_ == Section::peer;
    const Key* key = in_peer ? find_key(peer_keys, name) : find_key(interface_keys, name);
    if (key == nullptr) return unknown_key(name, in_peer);
    if (value.empty() && !key->list)
      return findings_.error(place(), fmt::format("{} is empty, expected a value", key->written));
    set(*key, value);
  }

  void unknown_key(std::string_view name, bool in_peer) {
    for (const std::string_view known : ignored_keys)
      if (!in_peer && same(known, name))
        return findings_.warn(place(), fmt::format("{} is ignored: culvert has no interface to set "
                                                   "up and runs no commands",
                                                   known));
    std::vector<std::string> names;
    for (const Key& key : interface_keys)
      if (!in_peer) names.emplace_back(key.written);
    for (const Key& key : peer_keys)
      if (in_peer) names.emplace_back(key.written);
    const std::string_view meant = nearest(name, names);
    findings_.error(place(),
                    fmt::format("unknown key {}, expected {}", name.substr(0, 60),
                                meant.empty() ? fmt::format("one of {}", fmt::join(names, ", "))
                                              : std::string(meant)));
  }

  void set(const Key& key, std::string_view value) {
    Node& table = section_ == Section::peer ? peers_.items.back() : server_;
    table.last_line = line_;
    const bool off = key.ours == "persistent_keepalive" && same(value, "off");
    Node node = Node::string(std::string(off ? std::string_view("0") : value), place(), true);
    node.lenient = true;
    Node* there = table.find(key.ours);
    if (!key.list) {
      if (there != nullptr)
        findings_.error(place(),
                        fmt::format("{} again, the first is at {}", key.written, there->place));
      else
        table.entries.emplace_back(key.ours, std::move(node));
      return;
    }
    // A list may stand on several lines, and each element keeps the place of its own.
    if (there == nullptr) {
      table.entries.emplace_back(key.ours, Node::array(place()));
      there = &table.entries.back().second;
    }
    for (std::string& part : split_list(value)) {
      node.text = std::move(part);
      there->items.push_back(node);
    }
  }

  std::string file_;
  Findings& findings_;
  Node server_, peers_;
  Section section_ = Section::none;
  unsigned line_ = 0;
};

}  // namespace

bool is_wg_quick(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view raw = text.substr(0, end);
    const std::string_view line = trim(raw.substr(0, std::min(raw.find('#'), raw.size())));
    if (!line.empty()) return same(line, "[Interface]") || line == "[Peer]";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return false;
}

Node parse_wg_quick(std::string_view text, const std::string& file, Findings& findings) {
  return Parser(file, findings).parse(text);
}

}  // namespace culvert::app
