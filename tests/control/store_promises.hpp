// What every database promises: the same tests for SQLite and PostgreSQL. Each opens the store
// anew, so that what it finds was written, not remembered.
#pragma once

#include <string>

namespace culvert::control::test {

void check_peers(const std::string& connection);
void check_groups(const std::string& connection);
void check_batches(const std::string& connection);
void check_history(const std::string& connection);
void check_pruning(const std::string& connection);

}  // namespace culvert::control::test
