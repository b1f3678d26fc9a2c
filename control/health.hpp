// Health: /healthz says that the supervisor answers; /readyz tells whether clients are served now:
// every worker runs, is ready, and its loop turned lately, and where there are lists their rules
// are compiled. A worker that hangs shows within `turn_patience`. Trouble that leaves the tunnel
// alone (the state database, the flow log, the query log) is told and changes nothing. The answers'
// text is one JSON object.
#pragma once

#include <string>
#include <vector>

#include "control/api.hpp"
#include "control/flow_recorder.hpp"
#include "control/ledger.hpp"
#include "control/list_keeper.hpp"
#include "control/query_recorder.hpp"
#include "control/server.hpp"

namespace culvert::control {

struct Health {
  // An idle loop turns every 2 s (WorkerCounters::last_turn).
  static constexpr base::Duration turn_patience = std::chrono::seconds(5);

  bool ready = false;
  std::vector<std::string> problems;  // why it is not ready
  std::vector<std::string> degraded;  // what does not work besides

  // {"ready":false,"problems":["worker 1 is not running"],"degraded":[]}
  HealthAnswer answer() const;
};

struct HealthSources {
  const Server& server;
  const Ledger& ledger;
  const FlowRecorder& recorder;
  const QueryRecorder& queries;
  const ListKeeper& lists;
};

Health health_of(const HealthSources& from, base::Time now);
HealthAnswer alive();  // for /healthz

}  // namespace culvert::control
