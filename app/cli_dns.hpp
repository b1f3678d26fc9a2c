// The commands below `culvert dns`, a file each.
#pragma once

#include "app/cli.hpp"

namespace culvert::app {

void add_dns_list_commands(CLI::App& dns, Action& action);   // lists, update, explain
void add_dns_query_commands(CLI::App& dns, Action& action);  // log, stats, pause, flush

}  // namespace culvert::app
