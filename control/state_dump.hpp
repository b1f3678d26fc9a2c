// The state database as text: JSON lines, a header first, then one line for each row. For a backup,
// for a move between SQLite and PostgreSQL, for a look with other tools.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

#include "control/state_store.hpp"

namespace culvert::control {

std::string dump_header();
std::string dump_line(const StateRecord& record);  // without its end
// Of the line `number`; a problem names the field.
Outcome<StateRecord> parse_dump_line(std::string_view line);

Outcome<> export_state(StateStore& store, const std::function<void(const std::string&)>& write);

struct ImportReport {
  std::size_t peers = 0, rows = 0;
};
// Every bad line is named and then nothing is imported. `in` is read twice.
Outcome<ImportReport> import_state(StateStore& store, std::istream& in);

}  // namespace culvert::control
