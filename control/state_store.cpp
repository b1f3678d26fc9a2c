// Opening, faults, and the peers; sql_batch.cpp and sql_query.cpp have the rest of SqlStore.
#include "control/state_store.hpp"

#include <fmt/format.h>

#include <array>

#include "base/log.hpp"
#include "control/sql_run.hpp"
#include "control/sql_schema.hpp"

namespace culvert::control {

std::string reason_of(const std::exception& error) {
  const auto* of_library = dynamic_cast<const soci::soci_error*>(&error);
  std::string text = of_library != nullptr ? of_library->get_error_message() : error.what();
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  while (!text.empty() && text.back() == ' ') text.pop_back();
  if (text.size() > 400) text.resize(400);
  return text;
}

std::unique_ptr<Database> Database::of(const std::string& connection, StateStore::Access access) {
  static constexpr std::string_view sqlite = "sqlite3://", postgresql = "postgresql://";
  if (connection.starts_with(sqlite)) {
    std::string path = connection.substr(sqlite.size());
    if (path.empty() || path.find('"') != std::string::npos || path.find('\0') != std::string::npos)
      throw FatalDatabaseError("the path after sqlite3:// is empty or has a quotation mark in it");
    return sqlite_database(std::move(path), access);
  }
  if (connection.starts_with(postgresql) && connection.size() > postgresql.size())
    return postgresql_database(connection, access);
  throw FatalDatabaseError(
      "expected sqlite3://PATH, postgresql://USER@HOST/DATABASE or "
      "postgresql://KEY=VALUE ...");
}

std::string database_connection(const std::string& setting, const std::string& state_dir) {
  if (!setting.empty() || state_dir.empty()) return setting;
  return "sqlite3://" + state_dir + "/culvert.db";
}

Outcome<std::unique_ptr<StateStore>> StateStore::open(const std::string& connection,
                                                      Access access) try {
  auto store = std::make_unique<SqlStore>(Database::of(connection, access), access);
  const Outcome<> connected = store->connect();
  if (!connected && (store->fatal() || access != Access::serve)) return connected.problem();
  if (!connected) base::log::error("{}; what it would hold stays in memory", store->trouble());
  return std::unique_ptr<StateStore>(std::move(store));
} catch (const std::exception& error) {
  return Problem{500, "State database cannot be used", reason_of(error), {}};
}

SqlStore::SqlStore(std::unique_ptr<Database> database, Access access)
    : database_(std::move(database)), access_(access) {}

Outcome<> SqlStore::connect() {
  return run(Kind::read, "opened", [](soci::session&) {});
}

void SqlStore::open_session() {
  auto sql = database_->connect();
  const auto steps = schema_steps(database_->table_suffix());
  if (access_ != Access::read && !database_->read_only()) {
    migrate(*sql, database_->begin(), steps);
  } else if (const long long version = schema_version(*sql, false);
             version != static_cast<long long>(steps.size())) {
    throw FatalDatabaseError(fmt::format(
        "its schema is version {}, this culvert reads version {}{}", version, steps.size(),
        version < static_cast<long long>(steps.size())
            ? "; `culvert run` brings it up to date when it starts"
            : ", a newer one made it"));
  }
  sql_ = std::move(sql);
}

// The fault is told here; whoever calls keeps what was not written.
Problem SqlStore::failed(const char* what, const std::exception& error) {
  sql_.reset();
  subjects_.clear();
  fatal_ = dynamic_cast<const FatalDatabaseError*>(&error) != nullptr;
  std::string reason = reason_of(error);
  if (reason.find(database_->name()) == std::string::npos)
    reason = fmt::format("{}: {}", database_->name(), reason);
  trouble_ = fmt::format("state database cannot be {}: {}", what, reason);
  return Problem{503, "State database cannot be used", trouble_, {}};
}

void SqlStore::begin_anew(const std::string& why) {
  sql_.reset();
  subjects_.clear();
  renewal_ = why;
  ++generation_;
  base::log::error("{}", why);
}

// False: it cannot be moved, so it stays in use as it is.
bool SqlStore::replace_corrupt(const std::string& reason) {
  try {
    const std::string aside = database_->set_aside();
    begin_anew(fmt::format("{} was corrupt ({}); it is now {}, and a new one is begun",
                           database_->name(), reason, aside));
    open_session();
    *sql_ << database_->begin();
    salvage(aside);
    *sql_ << "COMMIT";
    return true;
  } catch (const std::exception& error) {
    failed("replaced", error);
    return false;
  }
}

// Peers added at run time are nowhere else: what of them can still be read goes into the new one.
void SqlStore::salvage(const std::string& aside) {
  std::size_t saved = 0;
  try {
    const auto old = sqlite_database(aside, Access::read)->connect();
    std::string key, name, definition;
    soci::statement rows =
        (old->prepare << "SELECT public_key, name, definition FROM culvert_peers", soci::into(key),
         soci::into(name), soci::into(definition));
    rows.execute();
    while (rows.fetch()) {
      const auto parsed = wg::PublicKey::parse(key);
      if (!parsed) continue;
      write_peer(StoredPeer{*parsed, name, definition});
      ++saved;
    }
  } catch (const std::exception& error) {
    base::log::error("{}: no more can be read: {}", aside, reason_of(error));
  }
  base::log::error("{} peers that were added at run time are saved from {}", saved, aside);
}

void SqlStore::write_peer(const StoredPeer& peer) {
  const std::string key = peer.public_key.to_string();
  *sql_ << "INSERT INTO culvert_peers (public_key, name, definition) VALUES (:key, :name, :text) "
           "ON CONFLICT (public_key) DO UPDATE SET name = excluded.name, "
           "definition = excluded.definition",
      soci::use(key, "key"), soci::use(peer.name, "name"), soci::use(peer.definition, "text");
}

Outcome<std::vector<StoredPeer>> SqlStore::peers() {
  std::vector<StoredPeer> peers;
  std::size_t wrong = 0;
  const Outcome<> done = run(Kind::read, "read", [&](soci::session& sql) {
    peers.clear();
    std::string key, name, definition;
    soci::statement rows =
        (sql.prepare << "SELECT public_key, name, definition FROM culvert_peers ORDER BY name",
         soci::into(key), soci::into(name), soci::into(definition));
    rows.execute();
    while (rows.fetch()) {
      const auto parsed = wg::PublicKey::parse(key);
      if (parsed)
        peers.push_back({*parsed, name, definition});
      else
        ++wrong;
    }
  });
  if (!done) return done.problem();
  if (wrong != 0)
    base::log::error("state database: {} stored peers have no valid key and are left out", wrong);
  return peers;
}

Outcome<> SqlStore::put_peer(const StoredPeer& peer) {
  const auto work = [&] { write_peer(peer); };
  if (grouped_) return in_group(work);
  return run(Kind::durable, "written", [&](soci::session&) { work(); });
}

Outcome<> SqlStore::remove_peer(const wg::PublicKey& key) {
  const auto work = [&] { erase_peer(key); };
  if (grouped_) return in_group(work);
  return run(Kind::durable, "written", [&](soci::session&) { work(); });
}

// A transaction that does nothing finds out first whether the database is one: a group cannot be
// done again with another.
Outcome<> SqlStore::begin_group() {
  grouped_ = true;
  if (Outcome<> usable = run(Kind::read, "written", [](soci::session&) {}); !usable) return usable;
  return in_group([this] {
    database_->set_durable(*sql_, true);
    *sql_ << database_->begin();
  });
}

Outcome<> SqlStore::end_group() {
  Outcome<> done = in_group([this] {
    *sql_ << "COMMIT";
    database_->set_durable(*sql_, false);
    write_failed_ = false;
    trouble_.clear();
  });
  grouped_ = false;
  return done;
}

// A session that failed is gone, and with it the transaction: what comes after fails too.
Outcome<> SqlStore::in_group(const std::function<void()>& work) {
  if (sql_ == nullptr) return Problem{503, "State database cannot be used", trouble_, {}};
  try {
    work();
    return Nothing{};
  } catch (const std::exception& error) {
    write_failed_ = true;
    return failed("written", error);
  }
}

void SqlStore::erase_peer(const wg::PublicKey& key) {
  const std::string text = key.to_string();
  *sql_ << "DELETE FROM culvert_peers WHERE public_key = :key", soci::use(text, "key");
}

Outcome<std::vector<std::string>> SqlStore::check() {
  std::vector<std::string> found;
  if (sql_ == nullptr)
    if (const Outcome<> connected = connect(); !connected) return connected.problem();
  try {
    found = database_->integrity(*sql_);
  } catch (const std::exception& error) {
    if (!database_->is_corrupt(error)) return failed("checked", error);
    found.push_back(reason_of(error));
    return found;
  }
  const Outcome<> done =
      run(Kind::read, "checked", [&](soci::session& sql) { find_implausible(sql, found); });
  if (!done) return done.problem();
  return found;
}

}  // namespace culvert::control
