#include "control/sql_schema.hpp"

#include <fmt/format.h>

#include "control/sql_database.hpp"
#include "control/usage.hpp"

namespace culvert::control {
namespace {

std::string usage_columns() {
  std::string text;
  for (const UsageField& field : usage_fields)
    text += fmt::format(", {} BIGINT NOT NULL", field.name);
  return text;
}

// `version` = 1 is made with a row, from then on it is counted up.
void set_version(soci::session& sql, long long version) {
  if (version == 1)
    sql << "INSERT INTO culvert_schema (version) VALUES (1)";
  else
    sql << "UPDATE culvert_schema SET version = :version", soci::use(version, "version");
}

}  // namespace

std::vector<Migration> schema_steps(const char* suffix) {
  const std::string usage = usage_columns();
  return {{
      "CREATE TABLE culvert_writer (sequence BIGINT NOT NULL)",
      "INSERT INTO culvert_writer (sequence) VALUES (0)",
      "CREATE TABLE culvert_peers (public_key TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, "
      "definition TEXT NOT NULL)",
      // kind: Subject::Kind
      "CREATE TABLE culvert_subjects (id BIGINT NOT NULL PRIMARY KEY, kind BIGINT NOT NULL, "
      "subject_key TEXT NOT NULL, name TEXT NOT NULL, member_of TEXT NOT NULL, "
      "UNIQUE (kind, subject_key))",
      fmt::format("CREATE TABLE culvert_totals (subject BIGINT NOT NULL PRIMARY KEY{}){}", usage,
                  suffix),
      fmt::format("CREATE TABLE culvert_quotas (subject BIGINT NOT NULL, period BIGINT NOT NULL, "
                  "used BIGINT NOT NULL, PRIMARY KEY (subject, period)){}",
                  suffix),
      // span: of enum class Span; in this order for pruning, and for everybody's use of some time
      fmt::format("CREATE TABLE culvert_history (span BIGINT NOT NULL, start BIGINT NOT NULL, "
                  "subject BIGINT NOT NULL{}, PRIMARY KEY (span, start, subject)){}",
                  usage, suffix),
      fmt::format("CREATE TABLE culvert_destinations (day BIGINT NOT NULL, subject BIGINT NOT "
                  "NULL, destination TEXT NOT NULL{}, PRIMARY KEY (day, subject, destination)){}",
                  usage, suffix),
  }};
}

long long schema_version(soci::session& sql, bool make) {
  if (make) sql << "CREATE TABLE IF NOT EXISTS culvert_schema (version BIGINT NOT NULL)";
  long long version = 0;
  sql << "SELECT COALESCE(MAX(version), 0) FROM culvert_schema", soci::into(version);
  return version;
}

void migrate(soci::session& sql, const char* begin, std::span<const Migration> steps) {
  const long long newest = static_cast<long long>(steps.size());
  sql << begin;
  long long version = schema_version(sql);
  sql << "COMMIT";
  if (version > newest)
    throw FatalDatabaseError(fmt::format(
        "its schema is version {}, made by a newer culvert; this one knows versions up to {}",
        version, newest));
  while (version < newest) {
    sql << begin;
    for (const std::string& statement : steps[static_cast<std::size_t>(version)]) sql << statement;
    set_version(sql, ++version);
    sql << "COMMIT";
  }
}

}  // namespace culvert::control
