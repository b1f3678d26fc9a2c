// dns ...: what the running server knows of its clients' questions.
#include "app/cli_dns.hpp"
#include "app/cli.hpp"

namespace culvert::app {

void add_dns_commands(CLI::App& app, Action& action) {
  CLI::App* dns = app.add_subcommand("dns", "questions of clients, lists and filters");
  dns->require_subcommand(1);
  add_dns_list_commands(*dns, action);
  add_dns_query_commands(*dns, action);
}

}  // namespace culvert::app
