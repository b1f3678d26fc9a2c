// ServerSets: the servers that the configuration names, and the sets of them that policies and
// routes ask. A server that stays over a change keeps its connections and figures.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dns/counters.hpp"
#include "dns/settings.hpp"
#include "dns/upstream_server.hpp"

namespace culvert::dns {

class ServerSets {
 public:
  ServerSets(Surroundings& around, std::span<UpstreamCounters> counters) noexcept
      : around_(around), counters_(counters) {}

  void set_settings(const Settings& settings);
  std::uint32_t set_of(const std::vector<std::string>& upstream);
  const std::shared_ptr<const ServerSet>& set(std::uint32_t number) const noexcept;
  // Asked for the addresses of upstreams only. Its servers are given by address, so it needs nobody
  // itself: that is why a look-up cannot loop.
  const std::shared_ptr<const ServerSet>& bootstrap() const noexcept { return bootstrap_; }
  std::vector<std::string> all() const;

  template <class Use>
  void for_each(Use use) const {
    for (const auto& server : servers_) use(*server);
    for (const auto& server : unlisted_) use(*server);
  }
  void sweep() noexcept;  // end of a turn: servers that are gone and that no question names

 private:
  using Servers = std::vector<std::shared_ptr<Server>>;
  Servers add(const std::vector<std::string>& texts);
  std::shared_ptr<Server> listed(const UpstreamAddress& address);
  void reset_bootstrap(const Settings& settings);
  void place_from(std::size_t first);
  void retire_unnamed();

  Surroundings& around_;
  std::span<UpstreamCounters> counters_;
  UpstreamCounters uncounted_;  // of servers that are not listed
  bool encrypted_only_ = false;
  Servers servers_;   // in the order of all()
  Servers unlisted_;  // of bootstrap, and retired ones
  // What a change may take over, with its counters; until the end of the turn.
  struct Known {
    std::shared_ptr<Server> server;
    std::array<std::uint64_t, 7> values;
  };
  std::vector<Known> known_;
  std::shared_ptr<const ServerSet> bootstrap_ = std::make_shared<ServerSet>();
  std::vector<std::shared_ptr<const ServerSet>> sets_{std::make_shared<ServerSet>()};
  std::map<std::vector<std::string>, std::uint32_t> numbers_;
};

}  // namespace culvert::dns
