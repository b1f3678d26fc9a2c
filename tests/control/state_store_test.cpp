// What a store keeps, through SQLite. state_faults_test.cpp takes the disk away from it,
// postgresql_test.cpp does the same as here with PostgreSQL.
#include <sys/stat.h>

#include "control/sql_database.hpp"
#include "control/sql_schema.hpp"
#include "tests/control/scratch.hpp"
#include "tests/control/store_promises.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::control;
using namespace culvert::control::test;

namespace {

std::unique_ptr<StateStore> open(const std::string& connection,
                                 StateStore::Access access = StateStore::Access::serve) {
  auto opened = StateStore::open(connection, access);
  if (!opened) FAIL(opened.problem().to_line());
  INFO((*opened)->trouble());
  CHECK((*opened)->trouble().empty());
  return std::move(*opened);
}

unsigned mode_of(const std::string& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 0777u;
}

std::string problem_of(const std::string& connection,
                       StateStore::Access access = StateStore::Access::serve) {
  const auto opened = StateStore::open(connection, access);
  return opened ? "" : opened.problem().to_line();
}

}  // namespace

TEST_CASE("a store keeps peers, totals, quotas and history, and gives them back") {
  const Scratch scratch;
  check_groups(scratch.database());
  check_peers(scratch.database());
  check_batches(scratch.database());
  check_history(scratch.database());
  check_pruning(scratch.database());
}

TEST_CASE("the database is for its owner alone, and so is the directory made for it") {
  const Scratch scratch;
  const std::string connection = "sqlite3://" + scratch.file("made/for it/culvert.db");
  const auto store = open(connection);
  REQUIRE(store->put_peer({key_of(1), "one", "{}"}));
  CHECK(mode_of(scratch.file("made/for it")) == 0700);
  CHECK(mode_of(scratch.file("made/for it/culvert.db")) == 0600);
  CHECK(mode_of(scratch.file("made/for it/culvert.db-wal")) == 0600);

  write_file(scratch.file(), "");
  REQUIRE(::chmod(scratch.file().c_str(), 0644) == 0);
  open(scratch.database());
  CHECK(mode_of(scratch.file()) == 0600);
}

TEST_CASE("a connection string that is none is refused, and says what was expected") {
  CHECK(problem_of("mysql://x").find("expected sqlite3://PATH") != std::string::npos);
  CHECK(problem_of("sqlite3://").find("path after sqlite3://") != std::string::npos);
  CHECK(problem_of("culvert.db").find("expected sqlite3://PATH") != std::string::npos);
  CHECK(problem_of("postgresql://").find("expected") != std::string::npos);
  CHECK(problem_of("postgresql://nonsense=1").find("connection option") != std::string::npos);
}

TEST_CASE("a schema newer than the program is refused in a clear sentence") {
  const Scratch scratch;
  open(scratch.database());
  {
    const auto database = sqlite_database(scratch.file(), StateStore::Access::serve);
    *database->connect() << "UPDATE culvert_schema SET version = 77";
  }
  const std::string problem = problem_of(scratch.database());
  INFO(problem);
  CHECK(problem.find("schema is version 77, made by a newer culvert") != std::string::npos);
}

TEST_CASE("missing steps of the schema are taken in order, once each") {
  const Scratch scratch;
  const auto database = sqlite_database(scratch.file(), StateStore::Access::serve);
  const auto sql = database->connect();
  const std::vector<Migration> one{{"CREATE TABLE t (a BIGINT)", "INSERT INTO t VALUES (1)"}};
  std::vector<Migration> two = one;
  two.push_back({"ALTER TABLE t ADD COLUMN b BIGINT NOT NULL DEFAULT 5", "UPDATE t SET a = a + 1"});
  migrate(*sql, database->begin(), one);
  CHECK(schema_version(*sql) == 1);
  migrate(*sql, database->begin(), two);
  migrate(*sql, database->begin(), two);
  CHECK(schema_version(*sql) == 2);
  long long a = 0, b = 0;
  *sql << "SELECT a, b FROM t", soci::into(a), soci::into(b);
  CHECK(a == 2);
  CHECK(b == 5);
  CHECK_THROWS_AS(migrate(*sql, database->begin(), one), FatalDatabaseError);
}

TEST_CASE("a step of the schema that fails leaves the version before it") {
  const Scratch scratch;
  std::vector<Migration> steps{{"CREATE TABLE t (a BIGINT)"}};
  const auto database = sqlite_database(scratch.file(), StateStore::Access::serve);
  migrate(*database->connect(), database->begin(), steps);
  steps.push_back({"INSERT INTO t VALUES (1)", "INSERT INTO nowhere VALUES (1)"});
  CHECK_THROWS_AS(migrate(*database->connect(), database->begin(), steps), soci::soci_error);
  const auto sql = database->connect();
  long long rows = 0;
  *sql << "SELECT COUNT(*) FROM t", soci::into(rows);
  CHECK(rows == 0);
  CHECK(schema_version(*sql) == 1);
}

TEST_CASE("a tool that reads makes nothing and needs a database that is there") {
  const Scratch scratch;
  CHECK(problem_of(scratch.database(), StateStore::Access::read).find("cannot be read") !=
        std::string::npos);
  CHECK(::access(scratch.file().c_str(), F_OK) != 0);
  const auto server = open(scratch.database());
  REQUIRE(server->put_peer({key_of(1), "one", "{}"}));
  const auto tool = open(scratch.database(), StateStore::Access::read);
  CHECK((*tool->peers()).size() == 1);
  CHECK_FALSE(tool->put_peer({key_of(2), "two", "{}"}));
  CHECK((*tool->check()).empty());
}

TEST_CASE("what cannot be is found by a check") {
  const Scratch scratch;
  const auto store = open(scratch.database());
  CHECK((*store->check()).empty());
  {
    const auto database = sqlite_database(scratch.file(), StateStore::Access::serve);
    const auto sql = database->connect();
    *sql << "INSERT INTO culvert_quotas (subject, period, used) VALUES (9, 0, -5)";
    *sql << "INSERT INTO culvert_peers VALUES ('a', 'twin', '{}'), ('b', 'twin', '{}')";
  }
  const auto found = *store->check();
  CHECK(found.size() == 2);
}
