// DnsLists: keeps the lists of [[dns.list]] and the rules compiled of them. A list is looked for
// when it is due, judged, and kept as a copy; when copies changed, all are compiled to one table,
// which goes to the workers. Whatever fails, the last good copy and the table in force stay.
//
//   due -> HttpProcess (URL) -> ListJobs::take_in -> refuse_list -> copy
//   copies changed -> ListJobs::compile -> RuleTable::map -> Server::use_rules
//
// The supervisor has one; ControlPlane drives it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "base/random.hpp"
#include "control/events.hpp"
#include "control/http_process.hpp"
#include "control/list_keeper.hpp"

namespace culvert::control {

class DnsLists final : public ListKeeper {
 public:
  struct Parts {
    boost::asio::any_io_executor executor;
    Server& server;
    EventBus& events;
    std::string state_dir;           // "" = nothing persists
    std::function<void()> in_child;  // runs first in its children
    base::Random& random;
    std::function<base::WallTime()> wall;
  };

  static constexpr std::size_t most_at_once = 2;
  static constexpr std::chrono::seconds look_at_files{60}, first_delay{60}, longest_delay{6 * 3600};
  // So long what changed waits for other lists that are under way, to be compiled with them.
  static constexpr std::chrono::seconds patience{5};

  explicit DnsLists(Parts parts);
  ~DnsLists() override;  // ends its children; promises are not kept any more

  // Before the workers start: rules to start with. At once if nothing changed since they were
  // compiled, or if a list has to be fetched first; else they are compiled, for at most `limit`.
  // Where there are none then, the workers begin without, and wait for them (Resolver::set_table).
  void prepare(std::chrono::milliseconds limit = std::chrono::seconds(10));
  // After prepare() and whenever Server::dns_settings() changed.
  void configure();
  // Once a second: begins what is due.
  void tick();

  std::vector<ListStatus> lists() const override;
  RulesStatus rules() const override;
  std::shared_ptr<const dns::RuleTable> table() const override;
  Promise<std::vector<ListUpdate>> update(std::vector<std::string> names, bool force) override;
  Promise<std::vector<Found>> find_lines(std::vector<std::string> lists, dns::Name name) override;

  int job() const noexcept;  // the process that works on a list now; 0 = none

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace culvert::control
