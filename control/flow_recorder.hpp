// FlowRecorder: takes the flow records of all workers and tells them to the flow log, the IPFIX
// collector and the top destinations. The control plane ticks it every 100 ms, and once before a
// slot is given to another peer, so that every record finds its peer's name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "control/ipfix.hpp"
#include "control/rotating_log.hpp"
#include "control/server.hpp"
#include "control/top_destinations.hpp"

namespace culvert::control {

class FlowRecorder {
 public:
  struct Stats {
    std::uint64_t records = 0;  // told of
    RotatingLog::Stats log;
    IpfixExporter::Stats ipfix;
    std::size_t open_flows = 0;  // long flows whose totals are remembered
  };

  explicit FlowRecorder(const AccountingSettings& settings);

  // Applies other settings; long flows stay known, so that their next records are right.
  void configure(const AccountingSettings& settings);

  void tick(Server& server, base::Time now, base::WallTime wall);
  void flush(Server& server, base::Time now, base::WallTime wall);  // at the end: nothing waits

  TopDestinations& destinations() noexcept { return destinations_; }
  Stats stats() const;
  std::string trouble() const;  // of the log or the collector; empty if there is none

 private:
  struct Label {
    std::string peer, group, peer_json, group_json;
  };

  void open_log();
  void open_ipfix();
  void take(Server& server, base::Time now, base::WallTime wall);
  void name_peers(const Server& server);
  void tell(const proxy::FlowRecord& record, base::Time now, base::WallTime wall);

  AccountingSettings settings_;
  FlowDeltas deltas_;
  TopDestinations destinations_;
  std::unique_ptr<RotatingLog> log_;
  std::unique_ptr<IpfixExporter> ipfix_;
  std::vector<Label> labels_;  // by slot; of a peer that is gone, until its slot has another one
  base::Time next_sweep_{};
  std::uint64_t records_ = 0;
};

}  // namespace culvert::control
