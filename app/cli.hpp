// Inside the command line: one function for each family of commands adds its options and what runs.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include "app/command_line.hpp"
#include "app/config.hpp"

namespace culvert::app {

inline constexpr int exit_done = 0, exit_failed = 1, exit_usage = 2;

// Ends a command: the text goes to standard error, the code to the caller.
struct CommandError : std::runtime_error {
  explicit CommandError(const std::string& text, int exit_code = exit_failed)
      : std::runtime_error(text), code(exit_code) {}
  int code;
};

// What the chosen command does; set by its callback, run after the whole line was understood.
using Action = std::function<int()>;

void add_run_commands(CLI::App& app, Action& action, RunServer run);  // run, check
void add_key_commands(CLI::App& app, Action& action);                 // genkey, pubkey, genpsk
void add_init_command(CLI::App& app, Action& action);                 // init
void add_peer_commands(CLI::App& app, Action& action);                // peer ...
void add_report_commands(CLI::App& app, Action& action);              // show, flows, usage, ...
void add_dns_commands(CLI::App& app, Action& action);                 // dns ...
void add_top_command(CLI::App& app, Action& action);                  // top
void add_state_commands(CLI::App& app, Action& action);               // state ...
void add_version_command(CLI::App& app, Action& action);              // version

// The file a command is about where --config is left out: ./culvert.toml, or
// $XDG_CONFIG_HOME/culvert/culvert.toml (~/.config/...).
std::string default_config_path();
inline constexpr const char* config_help =
    "configuration, TOML or wg-quick; left out: ./culvert.toml, else "
    "~/.config/culvert/culvert.toml";

// Prints the findings to standard error; throws CommandError(2) if there is no configuration.
std::unique_ptr<Config> require_config(Loaded loaded, bool print_warnings);

// Standard output, checked: a full disk is a failure.
void print(const std::string& text);

}  // namespace culvert::app
