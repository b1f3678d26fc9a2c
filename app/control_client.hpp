// The running server, as the commands ask it over its control socket. What it refuses becomes a
// CommandError that names each field.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "control/http_client.hpp"

namespace culvert::app {

struct ControlOptions {
  std::string control, config;  // --control, --config; "" = not given
  bool json = false;
};

// --control, --config and --json.
void add_control_options(CLI::App& command, ControlOptions& options);

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
