// Where the server keeps its state and where its sockets are.
#include <fmt/format.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "app/config_files.hpp"
#include "app/config_policy.hpp"
#include "app/config_reader.hpp"

namespace culvert::app {
namespace {

// Is there, or may be made, and may be written.
bool can_be_had(std::filesystem::path directory) {
  std::error_code error;
  while (!std::filesystem::exists(directory, error) && directory.has_relative_path())
    directory = directory.parent_path();
  return ::access(directory.c_str(), W_OK | X_OK) == 0;
}

// systemd's, the XDG base directory of the user, ~/.local/state, none.
std::string default_state_dir(Findings& findings, const std::string& place) {
  const auto absolute = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value != nullptr && *value == '/' ? value : "";
  };
  // $STATE_DIRECTORY may name several, apart by ':'.
  if (const std::string state = absolute("STATE_DIRECTORY"); !state.empty())
    return state.substr(0, state.find(':'));
  std::string directory = absolute("XDG_STATE_HOME");
  if (!directory.empty())
    directory += "/culvert";
  else if (directory = absolute("HOME"); !directory.empty())
    directory += "/.local/state/culvert";
  if (!directory.empty() && can_be_had(directory)) return directory;
  findings.warn(
      place,
      fmt::format("server.state_dir is not set and {}: nothing persists, and there "
                  "is no control socket but a named one",
                  directory.empty() ? "there is no HOME" : directory + " cannot be written"));
  return {};
}

// A path is known to connect() in sun_path, 108 bytes with the zero behind it.
void check_socket_path(TableReader& server, const char* key, const std::string& path,
                       const Config& config, Findings& findings) {
  constexpr std::size_t longest = sizeof(sockaddr_un::sun_path) - 1;
  if (path.size() <= longest) return;
  const Node* const at = server.take(key);
  findings.error(at == nullptr ? config.file : at->place,
                 fmt::format("server.{}: \"{}\" has {} bytes, expected at most {} in the path of a "
                             "socket",
                             key, path, path.size(), longest));
}

// What can be read of a file as TOML; an empty tree of any other.
Node tree_of(const std::string& file, Findings& findings) {
  if (file.empty()) return Node::table("");
  const auto read = read_file(file);
  if (!read || is_wg_quick(read->text)) return Node::table(file);
  return parse_toml(read->text, file, findings);
}

}  // namespace

void read_paths(TableReader& server, Config& config, Findings& findings) {
  if (!server.string("state_dir", config.state_dir) && !server.has("state_dir"))
    config.state_dir = default_state_dir(findings, config.file);
  config.state_dir = path_of(config, config.state_dir);
  const bool named = server.string("control_socket", config.control_socket);
  if (named)
    config.control_socket = path_of(config, config.control_socket);
  else if (!config.state_dir.empty())
    config.control_socket = config.state_dir + "/control.sock";
  check_socket_path(server, named ? "control_socket" : "state_dir", config.control_socket, config,
                    findings);
}

void read_uapi(TableReader& server, Config& config, Findings& findings) {
  if (server.string("uapi_dir", config.uapi_dir))
    config.uapi_dir = path_of(config, config.uapi_dir);
  // What wg-quick takes for a name.
  constexpr std::string_view good =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_=+.-";
  if (server.string("interface", config.interface) &&
      (config.interface.empty() || config.interface.size() > 15 ||
       config.interface.find_first_not_of(good) != std::string::npos))
    server.wrong("interface", *server.take("interface"),
                 "1 to 15 letters, digits, '_', '=', '+', '.' and '-'");
  if (!config.uapi_dir.empty())
    check_socket_path(server, "uapi_dir", config.uapi_dir + "/" + config.interface + ".sock",
                      config, findings);
}

std::string control_socket_of(const std::string& file) {
  Config config;
  config.file = file;
  config.directory = std::filesystem::path(file).parent_path().string();
  std::vector<Finding> list;
  Findings findings(list);
  Node root = tree_of(file, findings);
  TableReader server(root.find("server"), "server", findings);
  read_paths(server, config, findings);
  return config.control_socket;
}

std::string endpoint_of(const std::string& file) {
  std::string endpoint;
  std::vector<Finding> list;
  Findings findings(list);
  Node root = tree_of(file, findings);
  TableReader(root.find("server"), "server", findings).string("endpoint", endpoint);
  return is_host_port(endpoint) ? endpoint : "";
}

}  // namespace culvert::app
