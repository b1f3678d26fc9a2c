// Database: what SQLite and PostgreSQL do differently, and nothing else: how one connects, how a
// writer stays alone, how durable a commit is, what corrupt means. StateStore's code is one for
// both.
#pragma once

#include <soci/soci.h>

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "control/outcome.hpp"
#include "control/state_store.hpp"

namespace culvert::control {

// Of ours, where soci::soci_error is the library's.
struct DatabaseError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// Time does not heal it: a newer schema, a connection string that is none.
struct FatalDatabaseError : DatabaseError {
  using DatabaseError::DatabaseError;
};

class Database {
 public:
  // Throws FatalDatabaseError for a connection string that is neither of the two.
  static std::unique_ptr<Database> of(const std::string& connection, StateStore::Access access);
  virtual ~Database() = default;

  // These throw soci::soci_error and DatabaseError.
  virtual std::unique_ptr<soci::session> connect() = 0;
  virtual std::vector<std::string> integrity(soci::session& sql) = 0;

  virtual std::string name() const = 0;  // for people; no password in it
  virtual const char* begin() const = 0;
  // As it was found by connect(): nothing can be written there, a disk mounted read-only.
  virtual bool read_only() const { return false; }
  virtual const char* table_suffix() const = 0;
  // Shall commits from here on survive a loss of power, not only of the process?
  virtual void set_durable(soci::session& sql, bool durable) = 0;
  virtual bool is_corrupt(const std::exception& error) const = 0;
  // The files get another name, which is returned.
  virtual std::string set_aside() = 0;
  // Is what we have open no longer what others would open by that name?
  virtual bool is_gone() const = 0;
};

std::unique_ptr<Database> sqlite_database(std::string path, StateStore::Access access);
std::unique_ptr<Database> postgresql_database(std::string connection, StateStore::Access access);

// What the library says, without the values of the statement: one may be a key.
std::string reason_of(const std::exception& error);

}  // namespace culvert::control
