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
#include "app/policy_numbers.hpp"
#include "app/registry.hpp"
#include "app/shared_state.hpp"
#include "base/file_descriptor.hpp"
#include "dns/trust.hpp"

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
  PolicyNumbers numbers;
  TunnelSockets sockets;
  std::vector<ForwardSocket> forwards;
  Inboxes inboxes;
  base::FileDescriptor rule_table;  // what the workers filter by (dns::RuleTable); none = no lists
  std::unique_ptr<dns::TrustStore> trust;  // null while no upstream speaks TLS
  std::string authorities;                 // what it was made from, in PEM
  std::function<void()> in_worker;  // runs first in a worker's process: wipes what it need not know
};

// What the workers read of a policy in the shared memory: rates, and the group whose rates hold as
// well. Quotas and stops are the ledger's to write.
void write_controls(Runtime& runtime, std::uint32_t slot);
void write_group_controls(Runtime& runtime);

// The certificate authorities, once an upstream is configured that needs them: reading them takes
// longer than the rest of a start. True if they were read now, for the first time or because
// dns.ca_file says something else; a failure is told to the log, and
// TLS upstreams fail.
bool load_trust(Runtime& runtime);

// In a child process that is no worker: the tunnel's keys.
void forget_secrets(Runtime& runtime) noexcept;

}  // namespace culvert::app
