#include "app/cli.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <span>

#include "app/config_node.hpp"
#include "wg/crypto.hpp"

namespace culvert::app {

std::string default_config_path() {
  const std::string here = "culvert.toml";
  if (::access(here.c_str(), F_OK) == 0) return here;
  const char* xdg = std::getenv("XDG_CONFIG_HOME");
  const char* home = std::getenv("HOME");
  std::string directory;
  if (xdg != nullptr && *xdg == '/')
    directory = xdg;
  else if (home != nullptr && *home == '/')
    directory = std::string(home) + "/.config";
  const std::string there = directory + "/culvert/culvert.toml";
  if (!directory.empty() && ::access(there.c_str(), F_OK) == 0) return there;
  throw CommandError("no --config, and there is neither ./culvert.toml nor " +
                         (directory.empty() ? "a home directory" : there),
                     exit_usage);
}

std::unique_ptr<Config> require_config(Loaded loaded, bool print_warnings) {
  std::size_t errors = 0;
  for (const Finding& finding : loaded.findings) {
    if (finding.fatal) ++errors;
    if (finding.fatal || print_warnings) fmt::print(stderr, "{}\n", finding.to_string());
  }
  if (loaded.config == nullptr)
    throw CommandError(
        fmt::format("{} error{} in the configuration", errors, errors == 1 ? "" : "s"), exit_usage);
  return std::move(loaded.config);
}

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw CommandError("standard output cannot be written");
}

namespace {

// Of the design, and not of this version: said so, lest somebody looks for a spelling mistake.
constexpr std::string_view absent_commands[] = {"doctor"};

// `words` are what follows the command `app`.
void refuse_unknown_command(CLI::App& app, std::span<const char* const> words) {
  const auto all = app.get_subcommands([](CLI::App*) { return true; });
  if (all.empty() || words.empty() || words[0][0] == '-') return;
  const std::string_view word = words[0];
  std::vector<std::string> names;
  for (CLI::App* command : all) {
    if (command->get_name() == word) return refuse_unknown_command(*command, words.subspan(1));
    names.push_back(command->get_name());
  }
  const bool top = app.get_parent() == nullptr;
  if (top && std::ranges::find(absent_commands, word) != std::end(absent_commands))
    throw CommandError(fmt::format("`culvert {}` is not in this version", word), exit_usage);
  const std::string_view meant = nearest(word, names);
  throw CommandError(fmt::format("unknown command \"{}{}\", expected {}",
                                 top ? "" : app.get_name() + " ", word.substr(0, 60),
                                 meant.empty() ? fmt::format("one of {}", fmt::join(names, ", "))
                                               : std::string(meant)),
                     exit_usage);
}

}  // namespace

int run_command_line(int argc, const char* const* argv, const RunServer& run) try {
  CLI::App app{
      "culvert: a WireGuard exit node that needs no privilege.\n"
      "`culvert init DIR` makes keys, a configuration and a first client; `culvert run` serves it.",
      "culvert"};
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::help);
  Action action;
  add_init_command(app, action);
  add_run_commands(app, action, run);
  add_key_commands(app, action);
  add_peer_commands(app, action);
  add_report_commands(app, action);
  add_dns_commands(app, action);
  add_top_command(app, action);
  add_state_commands(app, action);
  add_version_command(app, action);
  refuse_unknown_command(app, std::span(argv, static_cast<std::size_t>(argc)).subspan(argc > 0));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, std::cout, std::cerr) == 0 ? exit_done : exit_usage;
  }
  wg::init_crypto();
  return action();
} catch (const CommandError& error) {
  fmt::print(stderr, "culvert: {}\n", error.what());
  return error.code;
} catch (const std::exception& error) {
  fmt::print(stderr, "culvert: {}\n", error.what());
  return exit_failed;
}

}  // namespace culvert::app
