// version
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "app/cli.hpp"
#include "wg/aead.hpp"

namespace culvert::app {
namespace {

int version(bool as_json) {
  std::vector<std::string> backends;
  for (const wg::Aead* backend : wg::aead_backends()) backends.emplace_back(backend->name());
  if (as_json) {
    print(nlohmann::json{
              {"version", CULVERT_VERSION}, {"lwip", CULVERT_LWIP_VERSION}, {"aead", backends}}
              .dump(2) +
          "\n");
    return exit_done;
  }
  print(fmt::format("culvert {}\nlwIP {}\nChaCha20-Poly1305: {} (the first is used)\n",
                    CULVERT_VERSION, CULVERT_LWIP_VERSION, fmt::join(backends, ", ")));
  return exit_done;
}

}  // namespace

void add_version_command(CLI::App& app, Action& action) {
  auto as_json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("version", "print the version and what it was built with");
  command->add_flag("--json", *as_json, "as JSON");
  command->callback([&action, as_json] { action = [as_json] { return version(*as_json); }; });
}

}  // namespace culvert::app
