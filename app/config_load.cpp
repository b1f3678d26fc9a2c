// The whole way from a source to a Config: parse, --set, read, check, findings in file order.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "app/config_files.hpp"
#include "app/config_node.hpp"
#include "base/secret.hpp"

namespace culvert::app {
namespace {

// Findings in the order of the file, those without a line first.
void sort_findings(std::vector<Finding>& findings) {
  const auto line = [](const Finding& finding) {
    unsigned number = 0;
    const std::size_t colon = finding.place.rfind(':');
    if (colon != std::string::npos)
      std::from_chars(finding.place.data() + colon + 1, finding.place.data() + finding.place.size(),
                      number);
    return number;
  };
  std::stable_sort(findings.begin(), findings.end(),
                   [&](const Finding& a, const Finding& b) { return line(a) < line(b); });
}

// A source that knows no tunnel address gets one to answer pings and to send ICMP errors from: the
// dummy address of RFC 7600 section 4.8 and a fixed unique local one.
void give_address(Config& config) {
  const auto add = [&](const char* text) {
    const base::IpAddress address = *base::IpAddress::parse(text);
    config.address.push_back({address, base::Prefix(address, address.bits())});
  };
  add("192.0.0.8");
  if (config.mtu >= smallest_mtu6) add("fd63:756c:7665:7274::1");
}

bool holds_secrets(Node& root) {
  const auto in = [&](std::string_view section, std::string_view key) {
    Node* const at = root.find(section);
    return at != nullptr && (at->find(key) != nullptr ||
                             std::any_of(at->items.begin(), at->items.end(),
                                         [&](Node& n) { return n.find(key) != nullptr; }));
  };
  return in("server", "private_key") || in("server", "http_token") || in("peer", "preshared_key") ||
         in("webhook", "secret") || in("admission", "secret");
}

void warn_open_file(Node& root, const std::string& file, mode_t mode, Findings& findings) {
  if ((mode & 077u) != 0 && holds_secrets(root))
    findings.warn(
        file,
        fmt::format("holds keys and has mode {:04o}, expected 0600: others can read them", mode));
}

struct Source {
  std::string file;
  bool needs_address;  // TOML has a key for it, a wg-quick file and the environment may do without
  Names names;
};

Loaded finish(Node& root, Source source, const std::vector<Setting>& settings, Loaded loaded) {
  Findings findings(loaded.findings);
  auto config = std::make_unique<Config>();
  config->names = source.names;
  config->directory = std::filesystem::path(source.file).parent_path().string();
  config->file = std::move(source.file);
  apply_settings(root, settings, findings);
  read_config(root, *config, findings);
  Node* server = root.find("server");
  if (!source.needs_address && (server == nullptr || server->find("address") == nullptr))
    give_address(*config);
  check_config(*config, findings);
  sort_findings(loaded.findings);
  if (!findings.fatal()) loaded.config = std::move(config);
  return loaded;
}

Loaded load_text(std::string text, const std::string& file, mode_t mode,
                 const std::vector<Setting>& settings, Names names) {
  Loaded loaded;
  Findings findings(loaded.findings);
  Node root;
  const bool wg_quick = is_wg_quick(text);
  if (wg_quick) {
    root = parse_wg_quick(text, file, findings);
  } else {
    root = parse_toml(text, file, findings);
    if (findings.fatal()) return loaded;  // half a tree would only mislead
  }
  base::wipe(std::as_writable_bytes(std::span(text)));
  warn_open_file(root, file, mode, findings);
  return finish(root, {file, !wg_quick, names}, settings, std::move(loaded));
}

}  // namespace

std::string place_of(const Config& config, const std::string& key) {
  if (const auto at = config.places.find(key); at != config.places.end()) return at->second;
  return config.file.empty() ? "environment" : config.file;
}

std::string path_of(const Config& config, const std::string& path) {
  if (path.empty() || path.front() == '/' || config.directory.empty()) return path;
  return config.directory + "/" + path;
}

Loaded load_config_text(std::string text, const std::string& file,
                        const std::vector<Setting>& settings, Names names) {
  return load_text(std::move(text), file, 0600, settings, names);
}

Loaded load_config(const std::string& path, const std::vector<Setting>& settings, Names names) {
  auto file = read_file(path);
  if (!file) return {nullptr, {{"", file.error(), true}}};
  return load_text(std::move(file->text), path, file->mode, settings, names);
}

Loaded load_environment(const std::function<const char*(const char*)>& get,
                        const std::vector<Setting>& settings) {
  Loaded loaded;
  Findings findings(loaded.findings);
  Node root = read_environment(get, findings);
  return finish(root, {"", false, Names::look_up}, settings, std::move(loaded));
}

}  // namespace culvert::app
