// StateStore: what must outlive the process, in a database: peers added at run time, totals and
// quotas, usage history. SQLite by default, PostgreSQL by the same code (through SOCI).
//
// A store that fails (disk full, read-only, corrupt, server gone) says so and stays usable: every
// later call tries again. No exception leaves it. Calls block for as long as the database does; the
// supervisor alone makes them, never a worker.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/time.hpp"
#include "control/outcome.hpp"
#include "control/usage.hpp"
#include "wg/keys.hpp"

namespace culvert::control {

struct StoredPeer {
  wg::PublicKey public_key;
  std::string name;
  std::string definition;  // JSON
};

// Whose usage it is. A peer is its public key, whatever it is called; a group is its name.
struct Subject {
  enum class Kind : std::uint8_t { peer, group };
  Kind kind = Kind::peer;
  std::string key;    // base64 of the public key; a group's name
  std::string name;   // as it is called now; a group's name
  std::string group;  // of a peer, "" = none
};

using Seconds = std::int64_t;  // since the Unix epoch

// How much time a row of history stands for.
enum class Span : std::uint8_t { minute, hour, day };

struct TotalRow {
  Subject subject;
  Usage usage;  // since it was first known
};
struct QuotaRow {
  Subject subject;
  Seconds period = 0;  // its start
  std::uint64_t used = 0;
};
struct HistoryRow {
  Subject subject;
  Span span = Span::minute;
  Seconds start = 0;
  Usage usage;
};
struct DestinationRow {
  Subject subject;
  Seconds day = 0;
  std::string destination;
  Usage usage;
};

// Written in one transaction. Totals and quotas replace what is there; history and destinations are
// added to it. A batch with the sequence of one that was written is written already: a commit whose
// answer was lost can be repeated.
struct Batch {
  std::uint64_t sequence = 0;
  std::vector<TotalRow> totals;
  std::vector<QuotaRow> quotas;
  std::vector<HistoryRow> history;  // one row for each subject, span and start
  std::vector<DestinationRow> destinations;
  bool empty() const noexcept {
    return totals.empty() && quotas.empty() && history.empty() && destinations.empty();
  }
};

// What the database remembers of those asked for, and the sequence of the last batch.
struct Remembered {
  std::uint64_t sequence = 0;
  std::vector<TotalRow> totals;
  std::vector<QuotaRow> quotas;
};

// Sums of rows whose start lies in a segment.
struct HistoryQuery {
  struct Segment {
    Span span = Span::day;
    Seconds from = 0, until = 0;  // half open
  };
  Subject::Kind kind = Subject::Kind::peer;
  std::vector<Segment> segments;
  std::string name, group;  // "" = all; a name or a key
  bool by_start = false;    // a row for each start, else for each name
};
struct DestinationQuery {
  Seconds from = 0, until = 0;
  std::string name, group;
  std::size_t limit = 10000;  // the largest
};
struct HistorySum {
  std::string key;    // name or destination
  Seconds start = 0;  // with by_start
  Usage usage;
};

// Rows that start before these go.
struct Retention {
  Seconds minutes = 0, hours = 0, days = 0, quotas = 0;
};

using StateRecord = std::variant<StoredPeer, TotalRow, QuotaRow, HistoryRow, DestinationRow>;

// accounting.database, else SQLite in the state directory; "" = nothing persists.
std::string database_connection(const std::string& setting, const std::string& state_dir);

class StateStore {
 public:
  enum class Access : std::uint8_t {
    serve,  // reads and writes; one process at a time. Any fault is trouble() until it passes
    edit,   // a tool's: the same, and a fault is told at once
    read    // a tool's, beside a server: makes and changes nothing
  };

  // "sqlite3://PATH" or "postgresql://…". Makes and migrates the schema. Opening to serve fails
  // only for a database newer than this program and a malformed connection string.
  static Outcome<std::unique_ptr<StateStore>> open(const std::string& connection,
                                                   Access access = Access::serve);
  virtual ~StateStore() = default;

  virtual Outcome<std::vector<StoredPeer>> peers() = 0;
  virtual Outcome<> put_peer(const StoredPeer& peer) = 0;  // by its key; replaces
  virtual Outcome<> remove_peer(const wg::PublicKey& key) = 0;
  // From here to end_group() put_peer and remove_peer are one transaction, written to the disk once,
  // and no other call may come. When anything of a group fails, nothing of it may be stored.
  virtual Outcome<> begin_group() { return Nothing{}; }
  virtual Outcome<> end_group() { return Nothing{}; }

  virtual Outcome<> save(const Batch& batch) = 0;
  virtual Outcome<Remembered> recall(std::span<const Subject> subjects) = 0;
  // Inner bytes of its days from `day` on.
  virtual Outcome<std::uint64_t> used_since(const Subject& subject, Seconds day) = 0;
  virtual Outcome<std::vector<HistorySum>> history(const HistoryQuery& query) = 0;
  virtual Outcome<std::vector<HistorySum>> destinations(const DestinationQuery& query) = 0;
  // Takes a bounded bite; true = there is more.
  virtual Outcome<bool> prune(const Retention& retention) = 0;

  // What is wrong with the database; empty = nothing was found.
  virtual Outcome<std::vector<std::string>> check() = 0;
  virtual Outcome<> each_record(const std::function<void(const StateRecord&)>& take) = 0;
  // All that `next` gives, in one transaction; rows that are there are replaced.
  virtual Outcome<> put_records(const std::function<std::optional<StateRecord>()>& next) = 0;

  // What of the last call failed; empty if it did not.
  virtual std::string trouble() const = 0;
  // Counts up whenever a new, empty database took the place of a corrupt or deleted one. Whoever
  // knows what was in it writes that again. `renewal` says why and where the old one is.
  virtual unsigned generation() const = 0;
  virtual std::string renewal() const = 0;
};

}  // namespace culvert::control
