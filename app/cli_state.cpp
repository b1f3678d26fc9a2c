// state check, export, import: the state database, without a server; check and export beside one.
#include <fmt/format.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/cli.hpp"
#include "control/state_dump.hpp"

namespace culvert::app {
namespace {

using control::StateStore;

struct Options {
  std::string config, database, file;
  bool json = false;
};

std::string connection_of(Options& options) {
  if (!options.database.empty()) return options.database;
  if (options.config.empty()) options.config = default_config_path();
  const auto config = require_config(load_config(options.config, {}, Names::keep), false);
  const std::string connection =
      control::database_connection(config->control.accounting.database, config->state_dir);
  if (connection.empty())
    throw CommandError(options.config + ": server.state_dir is \"\": nothing persists");
  return connection;
}

std::unique_ptr<StateStore> open(Options& options, StateStore::Access access) {
  auto opened = StateStore::open(connection_of(options), access);
  if (!opened) throw CommandError(opened.problem().to_line());
  return std::move(*opened);
}

int check(Options& options) {
  const auto store = open(options, StateStore::Access::read);
  const auto found = store->check();
  if (!found) throw CommandError(found.problem().to_line());
  if (options.json) {
    print(nlohmann::json{{"problems", *found}}.dump() + "\n");
  } else {
    for (const std::string& each : *found) print(each + "\n");
    if (found->empty()) print("the state database is sound\n");
  }
  return found->empty() ? exit_done : exit_failed;
}

int export_all(Options& options) {
  const auto store = open(options, StateStore::Access::read);
  const auto done =
      control::export_state(*store, [](const std::string& line) { print(line + "\n"); });
  if (!done) throw CommandError(done.problem().to_line());
  return exit_done;
}

int import_all(Options& options) {
  std::ifstream in(options.file, std::ios::binary);
  if (!in) throw CommandError(options.file + ": cannot be read");
  const auto store = open(options, StateStore::Access::edit);
  const auto report = control::import_state(*store, in);
  if (!report) {
    for (const control::FieldProblem& each : report.problem().fields)
      fmt::print(stderr, "{}: {}: {}\n", options.file, each.field, each.detail);
    const std::string& detail = report.problem().detail;
    throw CommandError(fmt::format("nothing was imported{}{}", detail.empty() ? "" : ": ", detail));
  }
  print(fmt::format("{} peers and {} rows are imported\n", report->peers, report->rows));
  return exit_done;
}

}  // namespace

void add_state_commands(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* state = app.add_subcommand("state", "the state database: peers, totals, history");
  state->require_subcommand(1);
  const auto command = [&](const char* name, const char* help, int (*function)(Options&)) {
    CLI::App* made = state->add_subcommand(name, help);
    made->add_option("-c,--config", options->config, config_help)->type_name("FILE");
    made->add_option("--database", options->database,
                     "left out: accounting.database of the configuration, or its state_dir")
        ->type_name("CONNECTION");
    made->callback([&action, options, function] {
      action = [options, function] { return function(*options); };
    });
    return made;
  };
  command("check", "look for damage; exit code 1 if there is any", check)
      ->add_flag("--json", options->json, "as JSON");
  command("export", "print all of it as JSON lines, keys of clients included", export_all);
  command("import", "add an export to it; rows that are there are replaced", import_all)
      ->add_option("file", options->file, "an export")
      ->type_name("FILE")
      ->required();
}

}  // namespace culvert::app
