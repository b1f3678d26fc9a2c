// The WG_* environment of wgslirp to the tree of config_node.hpp. What cannot be kept is refused or
// warned of by name, never dropped in silence.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "app/config_node.hpp"

namespace culvert::app {
namespace {

using Get = std::function<const char*(const char*)>;

constexpr unsigned most_peers = 4096;

// Knobs of wgslirp's own stack and log; culvert has other ones.
constexpr const char* not_acted_on[] = {"WG_OVERLAY_EXCLUDE_CIDRS",
                                        "WG_TUN_QUEUE_CAP",
                                        "WG_PCAP",
                                        "POOLING",
                                        "POOL_WRAP",
                                        "PROCESSOR_WORKERS",
                                        "PROCESSOR_QUEUE_CAP",
                                        "TCP_ACK_DELAY_MS",
                                        "TCP_ENABLE_SACK",
                                        "TCP_MSS_CLAMP",
                                        "TCP_PACE_US",
                                        "TCP_GATE_LOG",
                                        "TCP_CC",
                                        "TCP_FAST_DIAL_MS",
                                        "TCP_SOCK_RCVBUF",
                                        "TCP_SOCK_SNDBUF",
                                        "TCP_ACK_IDLE_GATE_MS",
                                        "TCP_ACK_IDLE_FAIL_SEC",
                                        "TCP_ACK_IDLE_MIN_INFLIGHT",
                                        "COPY_TOS",
                                        "IP_TTL"};

class Environment {
 public:
  Environment(const Get& get, Findings& findings)
      : get_(get), findings_(findings), root_(Node::table("environment")) {}

  Node read() {
    Node& server = root_.add("server", Node::table("environment"));
    copy(server, "WG_PRIVATE_KEY", "private_key");
    copy(server, "WG_LISTEN_PORT", "listen_port");
    if (!copy(server, "WG_MTU", "mtu"))
      server.add("mtu", Node::string("1380", "environment WG_MTU", true));
    copy(server, "WG_ADDRESS", "address");
    copy(server, "WG_OVERLAY_ROUTING", "overlay");
    if (truth("WG_DEBUG")) server.add("log_level", Node::string("debug", "environment WG_DEBUG"));
    if (truth("WG_DISABLE_IPV6")) deny_ipv6();
    read_error_signal();
    read_status_line(server);
    read_peers();
    for (const char* name : not_acted_on)
      if (value(name) != nullptr)
        findings_.warn(place(name), "this version of culvert does not act on it");
    return std::move(root_);
  }

 private:
  // An empty variable is one that is not set: container files write them so.
  const char* value(const std::string& name) const {
    const char* text = get_(name.c_str());
    return text == nullptr || trim(text).empty() ? nullptr : text;
  }

  static std::string place(std::string_view name) { return fmt::format("environment {}", name); }

  bool copy(Node& table, const std::string& name, std::string key) {
    const char* text = value(name);
    if (text == nullptr) return false;
    put(table, std::move(key), std::string(trim(text)), place(name));
    return true;
  }

  static void put(Node& table, std::string key, std::string text, std::string at) {
    Node node = Node::string(std::move(text), std::move(at), true);
    node.lenient = true;
    table.entries.emplace_back(std::move(key), std::move(node));
  }

  bool truth(const char* name) {
    const char* text = value(name);
    if (text == nullptr) return false;
    const std::string word = lower(trim(text));
    if (word == "1" || word == "true" || word == "yes" || word == "on") return true;
    if (word != "0" && word != "false" && word != "no" && word != "off")
      findings_.error(place(name), fmt::format("\"{}\", expected true or false", text));
    return false;
  }

  void deny_ipv6() {
    Node& egress = root_.add("egress", Node::table("environment"));
    egress.add("deny", Node::string("[::]/0", place("WG_DISABLE_IPV6"), true));
  }

  void read_error_signal() {
    const char* text = value("TCP_ERROR_SIGNAL");
    if (text == nullptr) return;
    Node& limits = root_.add("limits", Node::table("environment"));
    limits.add("tcp_refused", Node::string(lower(trim(text)), place("TCP_ERROR_SIGNAL")));
  }

  // As in wgslirp either of METRICS_LOG, whatever it says, and METRICS_INTERVAL switches it on.
  void read_status_line(Node& server) {
    const char* log = value("METRICS_LOG");
    const std::string word = log == nullptr ? "" : lower(trim(log));
    const bool asked =
        log != nullptr && word != "0" && word != "false" && word != "no" && word != "off";
    if (!copy(server, "METRICS_INTERVAL", "status_line") && asked)
      server.add("status_line", Node::string("60s", place("METRICS_LOG")));
    if (const char* text = value("METRICS_FORMAT"))
      server.add("status_line_format", Node::string(lower(trim(text)), place("METRICS_FORMAT")));
  }

  void read_peers() {
    Node list = Node::array(place("WG_PEERS"));
    const char* text = value("WG_PEERS");
    if (text == nullptr) {
      findings_.error(place("WG_PEERS"),
                      "not set, expected peers: \"0,1\" with WG_PEER_0_PUBLIC_KEY "
                      "and so on, or \"public_key=...,allowed_ips=...\"");
    } else if (std::string_view(text).find('=') != std::string_view::npos) {
      read_inline(text, list);
    } else {
      read_indexed(text, list);
    }
    root_.add("peer", std::move(list));
  }

  static std::string variable(unsigned index, std::string_view what) {
    return fmt::format("WG_PEER_{}_{}", index, what);
  }

  void read_indexed(std::string_view text, Node& list) {
    std::vector<unsigned> indices;
    for (const std::string& part : split_list(text)) {
      unsigned index = 0;
      const char* end = part.data() + part.size();
      const auto [next, error] = std::from_chars(part.data(), end, index);
      if (error != std::errc{} || next != end || index >= most_peers) {
        findings_.error(place("WG_PEERS"), fmt::format("\"{}\", expected indices from 0 to {}, "
                                                       "such as \"0,1\"",
                                                       part.substr(0, 60), most_peers - 1));
        return;
      }
      indices.push_back(index);
    }
    indices = as_count(std::move(indices));
    std::sort(indices.begin(), indices.end());
    for (std::size_t i = 0; i < indices.size(); ++i) {
      if (i > 0 && indices[i] == indices[i - 1])
        findings_.error(place("WG_PEERS"), fmt::format("index {} twice", indices[i]));
      else
        add_indexed(indices[i], list);
    }
    refuse_orphans(indices);
  }

  // WG_PEERS=1 with only WG_PEER_0_*: wgslirp's own sample means the number of peers.
  std::vector<unsigned> as_count(std::vector<unsigned> indices) {
    if (indices.size() != 1 || indices[0] == 0 ||
        value(variable(indices[0], "PUBLIC_KEY")) != nullptr ||
        value(variable(0, "PUBLIC_KEY")) == nullptr)
      return indices;
    findings_.warn(
        place("WG_PEERS"),
        fmt::format("there is no WG_PEER_{0}_PUBLIC_KEY: {0} is taken as the number of peers, "
                    "not as an index",
                    indices[0]));
    const unsigned count = indices[0];
    indices.clear();
    for (unsigned i = 0; i < count; ++i) indices.push_back(i);
    return indices;
  }

  void add_indexed(unsigned index, Node& list) {
    const std::string key = variable(index, "PUBLIC_KEY");
    Node peer = Node::table(place(fmt::format("WG_PEER_{}", index)));
    if (!copy(peer, key, "public_key"))
      return findings_.error(place(key),
                             "not set, expected the public key of a peer that WG_PEERS names");
    copy(peer, variable(index, "PRESHARED_KEY"), "preshared_key");
    copy(peer, variable(index, "ALLOWED_IPS"), "allowed_ips");
    copy(peer, variable(index, "ENDPOINT"), "endpoint");
    copy(peer, variable(index, "KEEPALIVE"), "persistent_keepalive");
    put(peer, "name", fmt::format("peer{}", index), peer.place);
    list.items.push_back(std::move(peer));
  }

  void refuse_orphans(const std::vector<unsigned>& named) {
    for (unsigned index = 0; index < most_peers; ++index) {
      if (std::find(named.begin(), named.end(), index) != named.end()) continue;
      for (const char* what : {"PUBLIC_KEY", "ALLOWED_IPS", "ENDPOINT", "KEEPALIVE"})
        if (value(variable(index, what)) != nullptr)
          findings_.error(place(variable(index, what)),
                          fmt::format("set, but WG_PEERS does not name {}", index));
    }
  }

  // public_key=A,allowed_ips=x,y,endpoint=e,public_key=B,...: a token without '=' goes on with the
  // list before it. A base64 key ends in '=' itself, so the first '=' decides.
  void read_inline(std::string_view text, Node& list) {
    constexpr std::pair<std::string_view, std::string_view> keys[] = {
        {"public_key", "public_key"},
        {"preshared_key", "preshared_key"},
        {"allowed_ips", "allowed_ips"},
        {"endpoint", "endpoint"},
        {"keepalive", "persistent_keepalive"},
        {"persistent_keepalive", "persistent_keepalive"},
        {"persistent_keepalive_interval", "persistent_keepalive"},
        {"name", "name"}};
    std::string last;
    for (const std::string& part : split_list(text)) {
      const std::size_t equals = part.find('=');
      const bool goes_on = equals == std::string::npos;
      const std::string name = goes_on ? last : lower(trim(part.substr(0, equals)));
      const std::string rest(
          trim(goes_on ? std::string_view(part) : std::string_view(part).substr(equals + 1)));
      const auto* key = std::find_if(std::begin(keys), std::end(keys),
                                     [&](const auto& k) { return k.first == name; });
      if (rest.empty() || key == std::end(keys) || (goes_on && name != "allowed_ips")) {
        findings_.error(place("WG_PEERS"),
                        fmt::format("\"{}\", expected public_key=, preshared_key=, "
                                    "allowed_ips=, endpoint= or keepalive=",
                                    part.substr(0, 60)));
        continue;
      }
      last = name;
      add_inline(std::string(key->second), rest, goes_on, list);
    }
  }

  void add_inline(std::string key, const std::string& text, bool goes_on, Node& list) {
    if (key == "public_key") {
      const std::string at = fmt::format("{} peer {}", place("WG_PEERS"), list.items.size());
      list.items.push_back(Node::table(at));
    } else if (list.items.empty()) {
      return findings_.error(place("WG_PEERS"), fmt::format("{} before any public_key=, expected "
                                                            "public_key= first",
                                                            key));
    }
    Node& peer = list.items.back();
    Node* there = peer.find(key);
    if (there != nullptr && goes_on)
      there->text += "," + text;
    else if (there != nullptr)
      findings_.error(peer.place, fmt::format("{} twice", key));
    else
      put(peer, std::move(key), text, peer.place);
  }

  const Get& get_;
  Findings& findings_;
  Node root_;
};

}  // namespace

Node read_environment(const Get& get, Findings& findings) {
  return Environment(get, findings).read();
}

}  // namespace culvert::app
