// Inside DnsLists: dns_lists.cpp has what is asked of it and when what is done,
// dns_lists_refresh.cpp how one list is renewed, dns_lists_compile.cpp how all of them become the
// rules in force.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <set>

#include "control/dns_lists.hpp"
#include "control/list_index.hpp"
#include "control/list_jobs.hpp"

namespace culvert::control {

struct DnsLists::Impl : std::enable_shared_from_this<Impl> {
  using Task = boost::asio::awaitable<void>;

  // A list of the configuration. One that is taken out of it is let go when its work is done.
  struct Entry {
    std::uint64_t number = 0;  // no other has it
    dns::ListSettings settings;
    ListRecord record;
    base::WallTime next{};  // when it is due
    bool busy = false, wanted = false, forced = false, dropped = false;
    bool awaited = false;  // the workers began with it, and no table of theirs knows it yet
    ListUpdate last;  // how its last try ended
    std::uint64_t tries = 0, failures = 0;
    bool fetched() const noexcept { return !settings.url.empty(); }
    const std::string& from() const noexcept { return fetched() ? settings.url : settings.path; }
  };
  using EntryPtr = std::shared_ptr<Entry>;

  explicit Impl(Parts given)
      : parts(std::move(given)), files(parts.state_dir), jobs(parts.in_child) {}

  // dns_lists.cpp
  void load();
  void configure();
  EntryPtr find(std::string_view name) const;
  ListStatus status_of(const Entry& entry) const;
  void set_next(Entry& entry);
  bool is_due(const Entry& entry) const;
  // It has no copy and was not looked for yet: no table knows it.
  bool awaits_first_copy(const Entry& entry) const;
  bool table_knows(const std::string& list) const;
  bool any_awaited() const;
  void begin_due();
  bool under_way() const;
  void changed();  // wakes who waits for a change
  Task wait_for_change();
  void save();

  // dns_lists_refresh.cpp
  void claim(Entry& entry);  // before refresh(), which a loop begins later
  Task refresh(EntryPtr entry);
  boost::asio::awaitable<ListUpdate> renew(EntryPtr entry, bool force);
  boost::asio::awaitable<DownloadReply> download(DownloadRequest request);
  boost::asio::awaitable<std::string> fetch(EntryPtr entry, bool force, ListRecord* made);
  boost::asio::awaitable<std::string> take(EntryPtr entry, bool force, ListRecord* made);
  std::string copy_of(const Entry& entry) const;  // where its text is; "" = nowhere
  bool has_copy(const Entry& entry) const;
  void note(Entry& entry, const ListUpdate& update);

  // dns_lists_compile.cpp
  std::string made_of(const Entry& entry) const;
  std::vector<std::string> made_of_all() const;
  base::FileDescriptor map_compiled();
  void compile_if_changed();
  Task compile();
  boost::asio::awaitable<std::string> compile_once();
  Task start_with();
  void tell_updated();
  static void tell_no_room(const Entry& entry);  // what of it a table does not hold

  Parts parts;
  ListFiles files;
  ListJobs jobs;
  ListIndex index;  // of what is configured now
  std::vector<EntryPtr> entries;
  std::uint64_t last_entry = 0;
  std::unique_ptr<HttpProcess> http;  // while something is downloaded
  std::size_t running = 0, downloading = 0;
  bool preparing = false, closed = false;

  bool dirty = false, compiling = false;
  base::WallTime dirty_since{}, compile_after{};
  std::string compile_error, save_error;  // the last ones; "" = it went well
  std::vector<std::string> in_force;      // made_of of each list of the table
  std::set<std::string> updated;          // lists to tell of when they are in force
  std::shared_ptr<const dns::RuleTable> table;
  std::vector<std::weak_ptr<boost::asio::steady_timer>> waiting;
};

}  // namespace culvert::control
