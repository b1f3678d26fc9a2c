// Runtime: everything a worker is made from. The supervisor keeps it current, so that a worker that
// is forked at any time starts with what holds now.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "app/config.hpp"
#include "app/group_places.hpp"
#include "app/inbox.hpp"
#include "app/listeners.hpp"
#include "app/registry.hpp"
#include "app/rule_numbers.hpp"
#include "app/shared_state.hpp"

namespace culvert::app {

struct Runtime {
  // Opens the sockets and maps the memory. Throws std::exception in words for the operator.
  explicit Runtime(std::unique_ptr<Config> config);

  std::unique_ptr<Config> config;  // its peers go to the registry
  unsigned workers;
  std::size_t file_limit;
  SharedState shared;
  Registry registry;
  GroupPlaces groups;
  RuleNumbers rules;
  TunnelSockets sockets;
  std::vector<ForwardSocket> forwards;
  Inboxes inboxes;
  std::function<void()> in_worker;  // runs first in a worker's process: wipes what it need not know
};

// What the workers read of a policy in the shared memory: rates, and the group whose rates hold as
// well. Quotas and stops are the ledger's to write.
void write_controls(Runtime& runtime, std::uint32_t slot);
void write_group_controls(Runtime& runtime);

// In a child process that is no worker: the tunnel's keys.
void forget_secrets(Runtime& runtime) noexcept;

}  // namespace culvert::app
