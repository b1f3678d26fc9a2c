#include "control/flow_recorder.hpp"

#include <algorithm>
#include <utility>

#include "control/clean_text.hpp"
#include "control/flow_line.hpp"

namespace culvert::control {
namespace {

constexpr auto sweep_interval = std::chrono::minutes(10);
// Longer than any flow rests by default, and longer than the interval of interim records.
constexpr auto silence = std::chrono::hours(24);

}  // namespace

FlowRecorder::FlowRecorder(const AccountingSettings& settings)
    : settings_(settings), destinations_(settings.top_destinations) {
  open_log();
  open_ipfix();
}

void FlowRecorder::open_log() {
  log_.reset();
  const FlowLogSettings& log = settings_.flow_log;
  if (!log.path.empty())
    log_ = std::make_unique<RotatingLog>("flow log",
                                         RotatingLog::Settings{log.path, log.rotate_at, log.keep});
}

void FlowRecorder::open_ipfix() {
  ipfix_.reset();
  if (settings_.ipfix.collector) ipfix_ = std::make_unique<IpfixExporter>(settings_.ipfix);
}

void FlowRecorder::configure(const AccountingSettings& settings) {
  const AccountingSettings old = std::exchange(settings_, settings);
  if (settings.flow_log != old.flow_log) open_log();
  if (settings.ipfix != old.ipfix) open_ipfix();
  if (settings.top_destinations != old.top_destinations)
    destinations_ = TopDestinations(settings.top_destinations);
}

void FlowRecorder::tick(Server& server, base::Time now, base::WallTime wall) {
  take(server, now, wall);
  if (log_) log_->tick(now, wall);
  if (ipfix_) ipfix_->tick(now, wall);
  if (now < next_sweep_) return;
  next_sweep_ = now + sweep_interval;
  deltas_.forget_silent(wall -
                        std::max<std::chrono::nanoseconds>(silence, 3 * settings_.active_timeout));
}

void FlowRecorder::flush(Server& server, base::Time now, base::WallTime wall) {
  take(server, now, wall);
  if (ipfix_) ipfix_->flush(wall);
  if (log_) log_->flush(now, wall);
}

void FlowRecorder::take(Server& server, base::Time now, base::WallTime wall) {
  bool named = false;
  server.take_records([&](const proxy::FlowRecord& record) {
    if (record.end == proxy::FlowRecord::End::none) return;
    if (!std::exchange(named, true)) name_peers(server);
    tell(record, now, wall);
  });
}

void FlowRecorder::name_peers(const Server& server) {
  for (const Peer* peer : server.peers()) {
    if (peer->slot >= labels_.size()) labels_.resize(peer->slot + 1);
    Label& label = labels_[peer->slot];
    if (label.peer == peer->entry.name && label.group == peer->entry.group &&
        !label.peer_json.empty())
      continue;
    if (label.peer != peer->entry.name) destinations_.forget(peer->slot);
    label = {peer->entry.name, peer->entry.group, json_string(peer->entry.name),
             json_string(peer->entry.group)};
  }
}

void FlowRecorder::tell(const proxy::FlowRecord& record, base::Time now, base::WallTime wall) {
  static const Label nobody{"", "", "\"\"", "\"\""};
  const bool known = record.peer < labels_.size() && !labels_[record.peer].peer_json.empty();
  const Label& label = known ? labels_[record.peer] : nobody;
  const auto delta = deltas_.take(record, wall);
  if (!delta) return;
  const FlowChange change{record,     delta->up,   delta->down,     delta->first,
                          label.peer, label.group, label.peer_json, label.group_json};
  ++records_;
  if (log_) log_->add(flow_line(change, wall));
  if (ipfix_) ipfix_->add(change, now, wall);
  if (known)
    destinations_.add(record.peer, record.key.server.address, change.up.bytes, change.down.bytes,
                      change.first ? 1 : 0);
}

FlowRecorder::Stats FlowRecorder::stats() const {
  return {.records = records_,
          .log = log_ ? log_->stats() : RotatingLog::Stats{},
          .ipfix = ipfix_ ? ipfix_->stats() : IpfixExporter::Stats{},
          .open_flows = deltas_.size()};
}

std::string FlowRecorder::trouble() const {
  std::string all;
  if (log_) all = log_->trouble();
  if (ipfix_ && !ipfix_->trouble().empty()) all += (all.empty() ? "" : "; ") + ipfix_->trouble();
  return all;
}

}  // namespace culvert::control
