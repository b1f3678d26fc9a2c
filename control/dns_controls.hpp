// DnsControls: what the supervisor says of each client's filter in the shared memory: which of its
// policy's schedules hold now, in local time, and until when the filter is paused. Workers read it
// with each question, so it holds at once and needs no message.
//
// The control plane ticks it every second.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/calendar.hpp"
#include "control/hours.hpp"
#include "control/server.hpp"

namespace culvert::control {

class DnsControls {
 public:
  explicit DnsControls(Server& server) : server_(server) {}

  void tick(const Calendar& calendar, base::WallTime wall);
  // A peer came: it starts with what holds.
  void enter(const Peer& peer, const Calendar& calendar, base::WallTime wall);

  // Whose filter is paused: of one peer, of all of a group, or of everybody, also of who comes
  // later. A duration of 0 ends it. How many peers it was; none = there is no such peer or group.
  struct Pause {
    std::string peer, group;  // at most one of them; both "" = everybody
    std::chrono::seconds duration{0};
  };
  Outcome<std::size_t> pause(const Pause& pause, base::WallTime wall);

 private:
  struct Compiled {
    std::shared_ptr<const dns::Policy> policy;  // nobody else gets its address
    std::vector<Hours> hours;
    unsigned minute = Hours::minutes_of_week;  // that `bits` are of; none yet
    std::uint64_t bits = 0;
    bool used = false;
  };

  std::uint64_t bits_of(const std::shared_ptr<const dns::Policy>& policy, unsigned minute);
  void write(const Peer& peer, unsigned minute);

  Server& server_;
  std::map<const dns::Policy*, Compiled> policies_;
  std::uint64_t paused_until_ = 0;  // everybody; seconds since the Unix epoch
  std::map<std::string, std::uint64_t> groups_paused_;
};

}  // namespace culvert::control
