// Metrics: what Prometheus scrapes at /metrics. The wireguard_* names and labels are those of the
// exporters that people have dashboards for; sent and received are the server's view. Everything
// else is culvert_*, and process_* for the supervisor.
//
// With 10,000 peers the page has 21 MB and takes tens of milliseconds, so it is made in steps of a
// millisecond or two, with the supervisor's other work between them.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/flow_recorder.hpp"
#include "control/ledger.hpp"
#include "control/server.hpp"

namespace culvert::control {

// What the parts of the control plane count that are not asked themselves.
struct ControlCounters {
  struct Webhook {
    std::string target;                                    // no secret of its URL
    std::uint64_t delivered = 0, failed = 0, dropped = 0;  // events: told, tried in vain, lost
    std::uint64_t waiting = 0;
  };
  std::vector<std::pair<std::string_view, std::uint64_t>> events;  // by kind
  std::vector<Webhook> webhooks;
  std::uint64_t admission_allowed = 0, admission_refused = 0, admission_failed = 0;
};

class ListKeeper;

struct MetricsSources {
  Server& server;
  const Ledger& ledger;
  const FlowRecorder& recorder;
  std::function<ControlCounters()> counters;
  std::size_t max_peers = 0;          // 0 = not known
  const ListKeeper* lists = nullptr;  // null: without them
};

class MetricsPage {
 public:
  MetricsPage(const MetricsSources& from, base::Time now);
  ~MetricsPage();

  bool step();  // false: the page is complete. Peers may come and go between steps.
  std::string take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

boost::asio::awaitable<std::string> metrics_page(MetricsSources from, base::Time now);
std::string metrics_text(const MetricsSources& from, base::Time now);  // in one go

}  // namespace culvert::control
