#include <fmt/format.h>

#include <array>
#include <string_view>

#include "control/sql_database.hpp"

// Of soci/postgresql/soci-postgresql.h, which would want libpq's headers too.
extern "C" void register_factory_postgresql();

namespace culvert::control {
namespace {

using Access = StateStore::Access;

// Words of libpq (fe-connect.c) about a connection string that no server was asked about.
bool is_malformed(std::string_view reason) {
  static constexpr std::array<std::string_view, 8> words{
      "missing \"=\" after",     "invalid connection option", "invalid URI",
      "unterminated quoted",     "invalid port number",       "invalid integer value",
      "invalid percent-encoded", "unexpected character"};
  for (const std::string_view word : words)
    if (reason.find(word) != std::string_view::npos) return true;
  return false;
}

bool is_uri(const std::string& connection) {
  const std::size_t stop =
      connection.find_first_of("=/?@ ", std::string_view("postgresql://").size());
  return stop == std::string::npos || connection[stop] != '=';
}

class PostgreSql final : public Database {
 public:
  PostgreSql(std::string connection, Access access)
      : connection_(with_defaults(std::move(connection))), access_(access) {}

  std::unique_ptr<soci::session> connect() override;
  std::vector<std::string> integrity(soci::session& sql) override {
    sql << "SELECT 1";  // the server looks after its files
    return {};
  }
  std::string name() const override { return "PostgreSQL"; }
  const char* begin() const override { return "BEGIN"; }
  const char* table_suffix() const override { return ""; }
  // Its commits are always on disk: what a crash of the server took back would be missing here.
  void set_durable(soci::session&, bool) override {}
  bool is_corrupt(const std::exception&) const override { return false; }
  std::string set_aside() override { throw DatabaseError("PostgreSQL: cannot be set aside"); }
  bool is_gone() const override { return false; }

 private:
  // A server that does not answer must not hold us for long.
  static std::string with_defaults(std::string connection);

  std::string connection_;
  Access access_;
};

std::string PostgreSql::with_defaults(std::string connection) {
  static constexpr std::array<std::pair<const char*, int>, 5> defaults{
      {{"connect_timeout", 3},
       {"keepalives_idle", 10},
       {"keepalives_interval", 3},
       {"keepalives_count", 3},
       {"tcp_user_timeout", 5000}}};
  const bool uri = is_uri(connection);
  if (!uri) connection.erase(0, std::string_view("postgresql://").size());
  for (const auto& [key, value] : defaults) {
    if (connection.find(key) != std::string::npos) continue;
    const char* before = !uri ? " " : connection.find('?') == std::string::npos ? "?" : "&";
    connection += fmt::format("{}{}={}", before, key, value);
  }
  return connection;
}

std::unique_ptr<soci::session> PostgreSql::connect() {
  // Once: SOCI takes a second time for an unloading of what is in use.
  [[maybe_unused]] static const bool registered = (register_factory_postgresql(), true);
  std::unique_ptr<soci::session> sql;
  try {
    sql = std::make_unique<soci::session>("postgresql", connection_);
  } catch (const soci::soci_error& error) {
    if (const std::string reason = reason_of(error); is_malformed(reason))
      throw FatalDatabaseError("the connection string of PostgreSQL: " + reason);
    throw;
  }
  *sql << "SET client_min_messages = warning";
  *sql << "SET statement_timeout = '10s'";
  if (access_ == Access::read) {
    *sql << "SET default_transaction_read_only = on";
    return sql;
  }
  // A server that was ended a moment ago may not have let go yet.
  *sql << "SET lock_timeout = '500ms'";
  try {
    *sql << "SELECT pg_advisory_lock(1668639862, hashtext(current_schema()))";
  } catch (const soci::soci_error& error) {
    if (reason_of(error).find("lock timeout") == std::string::npos) throw;
    throw DatabaseError("PostgreSQL: another culvert uses this database");
  }
  *sql << "SET lock_timeout = '2s'";
  set_durable(*sql, false);
  return sql;
}

}  // namespace

std::unique_ptr<Database> postgresql_database(std::string connection, StateStore::Access access) {
  return std::make_unique<PostgreSql>(std::move(connection), access);
}

}  // namespace culvert::control
