// init DIR: keys, culvert.toml and a first client. Run again, it changes nothing and prints the
// same.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "app/cli.hpp"
#include "app/client_file.hpp"
#include "app/config_files.hpp"
#include "app/init_template.hpp"
#include "base/random.hpp"

namespace culvert::app {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string directory, endpoint, client = "phone";
  std::uint16_t port = 51820;
  std::vector<std::string> dns;
};

template <class T>
T value_of(base::Result<T> result) {
  if (!result) throw CommandError(result.error());
  return std::move(*result);
}

void make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return;
  const int error = errno;
  if (error == EEXIST && fs::is_directory(path)) return;
  throw CommandError(fmt::format("{}: cannot be made: {}", path, std::strerror(error)));
}

// What an init that was cut short may have left, and what scripts put beside it.
void refuse_strange_directory(const Options& options) {
  for (const auto& entry : fs::directory_iterator(options.directory)) {
    const std::string name = entry.path().filename().string();
    if (name != "server.key" && name != "culvert.log" && name != "culvert.pid")
      throw CommandError(
          fmt::format("{} has no culvert.toml, but {}; expected an empty or a new directory",
                      options.directory, name));
  }
}

wg::PrivateKey server_key(const std::string& path, base::Random& random) {
  if (!fs::exists(path)) {
    wg::PrivateKey key = wg::generate_private_key(random);
    value_of(create_file(path, wg::secret_key_text(key) + "\n", 0600));
    return key;
  }
  std::string text = value_of(read_key_file(path));
  auto key = wg::parse_secret_key(std::string_view(text).substr(0, text.find('\n')));
  base::wipe(std::as_writable_bytes(std::span(text)));
  if (!key) throw CommandError(path + " holds no key, expected 44 characters of base64");
  return std::move(*key);
}

void show_client(const std::string& path) {
  const std::string text = value_of(read_file(path)).text;
  print(fmt::format("\n{}:\n\n{}\n{}", path, text, qr_code(text, ::isatty(STDOUT_FILENO) == 1)));
}

void create(const Options& options) {
  base::SystemRandom random;
  Config config;
  config.directory = options.directory;
  config.private_key = server_key(options.directory + "/server.key", random);
  config.address = {{*base::IpAddress::parse("10.8.0.1"), *base::Prefix::parse("10.8.0.0/24")},
                    {*base::IpAddress::parse("fd08::1"), *base::Prefix::parse("fd08::/64")}};
  const wg::PrivateKey client_key = wg::generate_private_key(random);
  const wg::PresharedKey shared = wg::generate_preshared_key(random);
  const std::string host = options.endpoint.empty() ? own_address() : options.endpoint;

  ClientFile client{
      options.client,          &client_key, &shared, {}, options.dns, with_port(host, options.port),
      options.endpoint.empty()};
  if (client.endpoint.empty())
    throw CommandError(fmt::format("--endpoint {}: expected HOST or HOST:PORT", host), exit_usage);
  client.addresses = {*base::Prefix::parse("10.8.0.2/32"), *base::Prefix::parse("fd08::2/128")};
  if (client.dns.empty()) client.dns = default_client_dns(config);

  make_directory(options.directory + "/clients");
  const std::string path = client_path(config, options.client);
  // culvert.toml comes last: as long as it is missing, init starts again.
  value_of(create_file(path, client_text(client, config), 0600));
  const InitTemplate with{options.port, client.endpoint, options.client,
                          wg::public_key_of(client_key).to_string(), wg::secret_key_text(shared)};
  if (auto made = create_file(options.directory + "/culvert.toml", init_template(with), 0600);
      !made) {
    ::unlink(path.c_str());
    throw CommandError(made.error());
  }
}

int init(const Options& options) {
  if (!is_client_name(options.client))
    throw CommandError("--client: expected letters, digits, '.', '_' and '-'", exit_usage);
  make_directory(options.directory);
  const std::string toml = options.directory + "/culvert.toml";
  const bool fresh = !fs::exists(toml);
  if (fresh) {
    refuse_strange_directory(options);
    create(options);
    print(fmt::format("{0}: made. Start the server with\n  culvert run --config {1}\n",
                      options.directory, toml));
  } else {
    const auto config = require_config(load_config(toml, {}, Names::keep), false);
    print(fmt::format("{}: there already, nothing was changed\n", toml));
    if (!options.endpoint.empty() && with_port(options.endpoint, options.port) != config->endpoint)
      fmt::print(stderr, "--endpoint is not used: the server.endpoint in {} is \"{}\"\n", toml,
                 config->endpoint);
    if (config->peers.empty()) return exit_done;
  }
  const auto config = require_config(load_config(toml, {}, Names::keep), true);
  const std::string first = client_path(*config, config->peers.front().name);
  if (fs::exists(first)) show_client(first);
  return exit_done;
}

}  // namespace

void add_init_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("init", "make keys, culvert.toml and a first client in DIR");
  command
      ->add_option("dir", options->directory,
                   "made if it is not there; nothing in it is overwritten")
      ->type_name("DIR")
      ->required();
  command
      ->add_option("--endpoint", options->endpoint,
                   "where clients find the server; left out: this host's address")
      ->type_name("HOST[:PORT]");
  command->add_option("--client", options->client, "name of the first client")
      ->capture_default_str();
  command->add_option("--listen-port", options->port, "UDP port")
      ->check(CLI::Range(1, 65535))
      ->capture_default_str();
  command->add_option("--dns", options->dns, "resolvers for clients; left out: the server itself")
      ->type_name("ADDRESS")
      ->delimiter(',')
      ->check([](const std::string& text) {
        return base::IpAddress::parse(text) ? std::string() : text + ": expected an address";
      });
  command->callback([&action, options] { action = [options] { return init(*options); }; });
}

}  // namespace culvert::app
