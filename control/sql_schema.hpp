// The schema of the state database, made and brought up to date step by step.
#pragma once

#include <soci/soci.h>

#include <span>
#include <string>
#include <vector>

namespace culvert::control {

// The statements that lead from the version before it to its own: the first list makes version 1.
using Migration = std::vector<std::string>;

std::vector<Migration> schema_steps(const char* table_suffix);

// 0 = there is none. The table that says it is made if it may be.
long long schema_version(soci::session& sql, bool make = true);
// Each missing step in a transaction of its own. Throws FatalDatabaseError for a version that has
// no step here: a newer program made it.
void migrate(soci::session& sql, const char* begin, std::span<const Migration> steps);

}  // namespace culvert::control
