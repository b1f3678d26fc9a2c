// run and check.
#include <fmt/format.h>

#include <cstdlib>
#include <memory>

#include "app/cli.hpp"

namespace culvert::app {
namespace {

struct Options {
  std::string config;
  std::vector<std::string> set;
};

std::vector<Setting> settings_of(const Options& options) {
  std::vector<Setting> out;
  for (const std::string& text : options.set) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      throw CommandError(fmt::format("--set {}: expected key=value", text), exit_usage);
    out.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  return out;
}

Loaded load(const Options& options, bool environment) {
  const auto settings = settings_of(options);
  if (!options.config.empty()) return load_config(options.config, settings);
  if (!environment) return load_config(default_config_path(), settings);
  return load_environment(
      [](const char* name) { return static_cast<const char*>(std::getenv(name)); }, settings);
}

void add_options(CLI::App& command, Options& options, const char* help) {
  command.add_option("-c,--config", options.config, help)->type_name("FILE");
  command.add_option("--set", options.set, "override any key, in dotted form; may be given again")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

int check(const Options& options) {
  const auto config = require_config(load(options, false), true);
  print(fmt::format("{}: good, {} peer{}\n", config->file, config->peers.size(),
                    config->peers.size() == 1 ? "" : "s"));
  return exit_done;
}

}  // namespace

void add_run_commands(CLI::App& app, Action& action, RunServer run_server) {
  auto options = std::make_shared<Options>();
  CLI::App* run = app.add_subcommand("run", "serve until SIGTERM or SIGINT");
  add_options(*run, *options, "configuration, TOML or wg-quick; left out: the WG_* environment");
  run->callback([&action, options, run_server = std::move(run_server)] {
    action = [options, run_server] {
      const auto again = [options] { return load(*options, true); };
      return run_server(require_config(again(), true), again);
    };
  });
  CLI::App* checked = app.add_subcommand("check", "check a configuration and name every mistake");
  add_options(*checked, *options, config_help);
  checked->callback([&action, options] { action = [options] { return check(*options); }; });
}

}  // namespace culvert::app
