#include "app/control_client.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <vector>

#include "app/cli.hpp"
#include "app/human.hpp"

namespace culvert::app {
namespace {

using nlohmann::json;

// Of packaging/culvert.service, as its StateDirectory makes it.
constexpr const char* service_socket = "/var/lib/culvert/control.sock";

bool is_socket(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

}  // namespace

void add_control_options(CLI::App& command, ControlOptions& options) {
  command
      .add_option("--control", options.control,
                  "control socket of the server; left out: that of the configuration")
      ->type_name("PATH");
  command.add_option("-c,--config", options.config, config_help)->type_name("FILE");
  command.add_flag("--json", options.json, "as JSON");
}

std::string control_socket(const ControlOptions& options) {
  if (!options.control.empty()) return options.control;
  if (!options.config.empty()) {
    if (::access(options.config.c_str(), F_OK) != 0)
      throw CommandError(fmt::format("{}: {}", options.config, std::strerror(errno)), exit_failed);
    return control_socket_of(options.config);
  }
  std::vector<std::string> candidates;
  try {
    candidates.push_back(control_socket_of(default_config_path()));
  } catch (const CommandError&) {
    // No file: the server may run from the environment.
  }
  candidates.push_back(control_socket_of(""));
  candidates.emplace_back(service_socket);
  for (const std::string& path : candidates)
    if (is_socket(path)) return path;
  return candidates.front();
}

void refuse(const control::Answer& answer) {
  const json problem = json::parse(answer.body, nullptr, false);
  std::string text = human::text_of(problem, "title");
  if (text.empty()) text = fmt::format("the server answered {}", answer.status);
  if (const auto detail = human::text_of(problem, "detail"); !detail.empty()) text += ": " + detail;
  for (const json& each : human::member(problem, "errors")) {
    const std::string field = human::text_of(each, "field");
    text +=
        fmt::format("\n  {}{}{}", field, field.empty() ? "" : ": ", human::text_of(each, "detail"));
  }
  throw CommandError(text, answer.status == 400 || answer.status == 422 ? exit_usage : exit_failed);
}

json ask(control::HttpClient& client, std::string_view method, std::string_view target,
         std::string_view body) {
  const control::Answer answer = client.request(method, target, body);
  if (!answer.ok()) refuse(answer);
  json value = json::parse(answer.body, nullptr, false);
  if (value.is_discarded() && !answer.body.empty())
    throw CommandError("the server's answer is not JSON");
  return value;
}

std::string to_text(const json& value) {
  return value.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace culvert::app
