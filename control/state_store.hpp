// StateStore: what must outlive the process, in a database: peers added at run time, totals and
// quotas, usage history. SQLite by default, PostgreSQL by the same code (through SOCI).
//
// A store that fails (disk full, read-only, corrupt, server gone) says so and stays usable: every
// later call tries again. Calls block for as long as the database does; the supervisor alone makes
// them, never a worker.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "control/ledger.hpp"
#include "control/outcome.hpp"
#include "wg/keys.hpp"

namespace culvert::control {

struct StoredPeer {
  wg::PublicKey public_key;
  std::string name;
  std::string definition;  // JSON
};

class StateStore {
 public:
  // "sqlite3://PATH" or "postgresql://…". Makes and migrates the schema. Opening fails only for a
  // database newer than this program and a malformed connection string; any other fault is
  // trouble() until it passes.
  static Outcome<std::unique_ptr<StateStore>> open(const std::string& connection);
  virtual ~StateStore() = default;

  virtual Outcome<std::vector<StoredPeer>> peers() = 0;
  virtual Outcome<> put_peer(const StoredPeer& peer) = 0;  // by its key; replaces
  virtual Outcome<> remove_peer(const wg::PublicKey& key) = 0;

  // What of the last call failed; empty if it did not.
  virtual std::string trouble() const = 0;
};

}  // namespace culvert::control
