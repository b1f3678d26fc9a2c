// peer add, remove, list, show, config. They are about the running server if one answers, and else
// about the configuration file.
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>

#include "app/cli.hpp"
#include "app/human.hpp"
#include "app/peer_commands.hpp"

namespace culvert::app {
namespace {

namespace fs = std::filesystem;

// True also for a socket that we may not use: that is for the user to know.
bool somebody_listens(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof name.sun_path) return false;
  std::memcpy(name.sun_path, path.data(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const int failed = ::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name);
  const int error = errno;
  ::close(fd);
  return failed == 0 || (error != ENOENT && error != ECONNREFUSED && error != ENOTDIR);
}

// A server that was started in another folder may have a name relative to that.
bool same_file(const std::string& ours, const std::string& servers) {
  if (servers.empty()) return false;
  std::error_code error;
  const fs::path mine = fs::weakly_canonical(fs::absolute(ours, error), error);
  if (servers.front() == '/') return fs::weakly_canonical(servers, error) == mine;
  const std::string tail = "/" + fs::path(servers).lexically_normal().string();
  return mine.string().ends_with(tail);
}

std::optional<Running> running(const PeerOptions& options) {
  if (options.file) return {};
  const std::string socket = control_socket(options);
  if (options.control.empty() && !somebody_listens(socket)) return {};
  Running server{control::HttpClient(socket), {}};
  server.status = ask(server.client, "GET", "/v1/status");
  if (options.control.empty() && !options.config.empty() &&
      !same_file(options.config, human::text_of(server.status, "config_file")))
    return {};
  return server;
}

struct Command {
  const char *name, *help;
  int (*live)(PeerOptions&, Running&);
  int (*file)(PeerOptions&);
};

constexpr Command add{"add", "add a peer and print its file; keep that as clients/NAME.conf",
                      add_live, add_to_file};
constexpr Command remove{"remove", "remove a peer; its file becomes clients/NAME.conf.removed",
                         remove_live, remove_from_file};
constexpr Command list{"list", "list the peers", list_live, list_file};
constexpr Command show{"show", "show one peer", show_live, show_in_file};
constexpr Command config{"config", "print the client's file", client_file_live, client_file_of};

CLI::App* make(CLI::App& peer, const Command& command, bool named, Action& action) {
  auto options = std::make_shared<PeerOptions>();
  CLI::App* made = peer.add_subcommand(command.name, command.help);
  add_control_options(*made, *options);
  made->add_flag("--file", options->file, "the configuration file, whether a server runs or not");
  if (named) made->add_option("name", options->name, "the peer")->type_name("NAME")->required();
  made->callback([&action, options, &command] {
    action = [options, &command] {
      auto server = running(*options);
      return server ? command.live(*options, *server) : command.file(*options);
    };
  });
  if (&command == &config) made->add_flag("--qr", options->qr, "as a QR code");
  if (&command != &add) return made;
  made->add_flag("--qr", options->qr, "its QR code as well");
  made->add_option("--public-key", options->public_key, "of a client that has its own key")
      ->type_name("KEY");
  made->add_option("--group", options->group, "a section [group.NAME] of the configuration");
  const auto policy = [&](const std::string& key, const char* help, const char* type) {
    made->add_option_function<std::string>(
            "--" + key, [options, key](const std::string& text) { options->policy[key] = text; },
            help)
        ->type_name(type);
  };
  policy("down", "its limit, such as 50mbit; left out: the group's", "RATE");
  policy("up", "the same, of what it sends", "RATE");
  policy("quota", "such as 200GB/month", "BYTES/PERIOD");
  policy("expires", "such as 2026-12-31: nothing goes through from then on", "TIME");
  policy("hours", "when it may be used, such as \"mon-fri 08:00-20:00\"", "HOURS");
  made->add_option("--allowed-ips", options->allowed_ips, "left out: the next free addresses")
      ->type_name("PREFIX,...")
      ->delimiter(',');
  made->add_option("--endpoint", options->endpoint,
                   "where the client finds the server; left out: server.endpoint")
      ->type_name("HOST[:PORT]");
  made->add_option("--dns", options->dns, "resolvers for the client; left out: the server itself")
      ->type_name("ADDRESS,...")
      ->delimiter(',');
  return made;
}

}  // namespace

void add_peer_commands(CLI::App& app, Action& action) {
  CLI::App* peer = app.add_subcommand(
      "peer",
      "the peers of the running server, or of a configuration file.\n"
      "If a server answers on the control socket, and --config is left out or names the file it "
      "runs, the command takes effect there at once: a new peer is kept in the state database, a "
      "peer of the file is removed from the file. Else, or with --file, the file alone is edited, "
      "and `culvert reload` makes a server read it.");
  peer->require_subcommand(1);
  make(*peer, add, true, action);
  make(*peer, remove, true, action);
  make(*peer, list, false, action);
  make(*peer, show, true, action);
  make(*peer, config, true, action);
}

}  // namespace culvert::app
