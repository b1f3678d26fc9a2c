// LiveServer: the configuration is read anew and exactly what differs is changed.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "app/host_resolvers.hpp"
#include "app/live_server.hpp"
#include "app/service_manager.hpp"
#include "base/log_level.hpp"
#include "control/forget_secrets.hpp"

namespace culvert::app {

namespace log = base::log;
using control::Peer;
using control::Problem;
using control::ReloadReport;
using control::Source;

namespace {

Problem refused(const std::vector<Finding>& findings) {
  Problem problem{422, "The configuration does not check", "the one that runs goes on", {}};
  for (const Finding& finding : findings)
    if (finding.fatal) problem.fields.push_back({finding.place, finding.text});
  return problem;
}

std::string summary(const ReloadReport& report) {
  return fmt::format("{} peers added, {} removed, {} changed", report.added.size(),
                     report.removed.size(), report.changed.size());
}

void log_report(const ReloadReport& report) {
  log::info("reloaded: {}", summary(report));
  if (!report.applied.empty()) log::info("now in force: {}", fmt::join(report.applied, ", "));
  if (!report.need_restart.empty())
    log::warn("changed, and in force after a restart: {}", fmt::join(report.need_restart, ", "));
  for (const std::string& warning : report.warnings) log::warn("{}", warning);
}

// systemd wants to know when, so that it can tell this reload from an earlier one.
class Reloading {
 public:
  Reloading() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    const auto usec = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
    notify_service_manager(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", usec));
  }
  ~Reloading() { notify_service_manager("READY=1"); }
  Reloading(const Reloading&) = delete;
  Reloading& operator=(const Reloading&) = delete;
};

}  // namespace

// Peers as they are to be; the problem if they cannot be had.
std::optional<Problem> LiveServer::plan(Config& config, std::vector<Wanted>& wanted) {
  if (config.groups.size() > SharedState::group_capacity)
    return Problem{422,
                   "Too many groups",
                   fmt::format("there are {}, expected at most {}", config.groups.size(),
                               SharedState::group_capacity),
                   {}};
  std::size_t added = inactive_.size();  // at most
  for (PeerEntry& entry : config.peers) {
    if (!find(entry.public_key)) ++added;
    wanted.push_back({std::move(entry), Source::file, {}});
  }
  if (added > runtime_.registry.room())
    return Problem{422,
                   "No room for so many peers",
                   fmt::format("{} more, and there is room for {} until the server is started anew",
                               added, runtime_.registry.room()),
                   {}};
  return std::nullopt;
}

void LiveServer::apply_settings(Config& config, ReloadReport& report, Answers& wait) {
  Config& running = *runtime_.config;
  SettingsDifference differs = difference(running, config);
  const bool globals = !same_rules(running.egress, config.egress) ||
                       !same_limits(running.limits, config.limits) ||
                       running.log_level != config.log_level;
  const bool dns = !(running.dns == config.dns);
  take_live_settings(running, config);
  report.applied = std::move(differs.live);
  report.need_restart = std::move(differs.need_restart);
  if (configure_)
    for (std::string& key : configure_(config.control))
      report.need_restart.push_back(std::move(key));
  control::forget_secrets(config.control);
  for (const std::size_t place : runtime_.groups.set(running.groups))
    runtime_.shared.clear_group(place);
  write_group_controls(runtime_);
  log::set_level(running.log_level);
  if (globals) order_all(ChangeGlobals{running.limits, running.egress, running.log_level}, wait);
  if (!dns) return;
  give_trust(wait);  // before anybody is asked who needs it
  order_all(SetDns{running.dns}, wait);
}

// What goes, goes first, so that its names and addresses are free.
void LiveServer::apply_peers(std::vector<Wanted> wanted, ReloadReport& report, Answers& wait) {
  std::unordered_map<wg::PublicKey, const Wanted*, wg::PublicKeyHash> by_key;
  for (const Wanted& each : wanted) by_key.emplace(each.entry.public_key, &each);
  for (const Peer* peer : peers()) {
    if (by_key.contains(peer->entry.public_key)) continue;
    report.removed.push_back(peer->entry.name);
    erase(peer->slot, wait);
  }
  for (Wanted& each : wanted) {
    const std::string name = each.entry.name;
    Peer* peer = runtime_.registry.find(each.entry.public_key);
    if (!peer) {
      const Peer& added = insert(std::move(each), wait);
      events_.publish(control::EventKind::peer_added, added.entry.name, "added");
      report.added.push_back(name);
      continue;
    }
    peer->source = each.source;
    peer->definition = std::move(each.definition);
    if (replace(peer->slot, std::move(each.entry), wait)) report.changed.push_back(name);
    write_controls(runtime_, peer->slot);  // its group may have got another place
  }
  // A forward's socket is with the worker that owned its client when it started.
  const auto moved = [this](const ForwardSocket& forward) {
    const auto route = std::as_const(runtime_.registry).routes().find(forward.entry.to.address);
    return route && route->worker != forward.worker;
  };
  if (std::ranges::any_of(runtime_.forwards, moved) &&
      std::ranges::find(report.need_restart, "forward") == report.need_restart.end())
    report.need_restart.emplace_back("forward");
}

LiveServer::Promise<ReloadReport> LiveServer::reload() {
  const auto turn = co_await turns_.take();
  const Reloading reloading;
  if (!load_again_) co_return Problem{409, "Nothing to reload", {}, {}};
  Loaded loaded = load_again_();
  if (!loaded.config) co_return refused(loaded.findings);
  loaded.config->dns.system = host_resolvers();
  std::vector<Wanted> wanted;
  if (auto failed = plan(*loaded.config, wanted)) co_return *failed;

  ReloadReport report;
  for (const Finding& finding : loaded.findings) report.warnings.push_back(finding.to_string());
  const Wait wait = Answers::make(io_);
  apply_settings(*loaded.config, report, *wait);
  std::vector<control::StoredPeer> stored;
  for (const Peer* peer : peers())
    if (peer->source == Source::database)
      stored.push_back({peer->entry.public_key, peer->entry.name, peer->definition});
  for (Inactive& each : inactive_) stored.push_back(std::move(each.stored));
  Taken taken;
  for (const Wanted& each : wanted) taken.add(each.entry);
  for (Wanted& each : stored_peers(std::move(stored), std::move(taken)))
    wanted.push_back(std::move(each));
  for (const Inactive& each : inactive_)
    report.warnings.push_back(
        fmt::format("peer {} of the state database is inactive: {}", each.stored.name, each.why));
  apply_peers(std::move(wanted), report, *wait);
  tell_all(*wait);
  give_trust(*wait);
  const std::string error = co_await wait->wait();
  forget_unused_policies();
  if (!error.empty()) co_return Problem{500, "Not carried out everywhere", error, {}};
  log_report(report);
  events_.publish(control::EventKind::reloaded, {}, summary(report));
  co_return report;
}

}  // namespace culvert::app
