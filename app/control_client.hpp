// The running server, as the commands ask it over its control socket. What it refuses becomes a
// CommandError that names each field.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "app/cli.hpp"
#include "control/http_client.hpp"

namespace culvert::app {

struct ControlOptions {
  std::string control, config;  // --control, --config; "" = not given
  bool json = false;
};

// --control, --config and --json.
void add_control_options(CLI::App& command, ControlOptions& options);

// A command that asks the running server; its options beyond those of the connection are the
// caller's to add.
template <class Options>
std::pair<CLI::App*, std::shared_ptr<Options>> add_control_command(CLI::App& parent,
                                                                   const char* name,
                                                                   const char* help,
                                                                   int (*function)(const Options&),
                                                                   Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* const made = parent.add_subcommand(name, help);
  add_control_options(*made, *options);
  made->callback([&action, options, function] {
    action = [options, function] { return function(*options); };
  });
  return {made, options};
}

// --control; the socket of the file that --config names; the socket of the file that is taken where
// --config is left out, of a server without a file, or of the system's service: the first there is.
std::string control_socket(const ControlOptions& options);

// The body of a good answer. Exit code 2 where a value was wrong, 1 where it could not be done.
nlohmann::json ask(control::HttpClient& client, std::string_view method, std::string_view target,
                   std::string_view body = {});
// Throws what `answer`, which is not ok(), says.
[[noreturn]] void refuse(const control::Answer& answer);

// As it is printed for --json.
std::string to_text(const nlohmann::json& value);

}  // namespace culvert::app
