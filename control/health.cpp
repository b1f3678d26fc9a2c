#include "control/health.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace culvert::control {
namespace {

std::string problem_of(const WorkerState& worker, const base::WorkerCounters& counters,
                       base::Time now) {
  if (worker.pid == 0) return fmt::format("worker {} is not running", worker.index);
  if (!worker.ready) return fmt::format("worker {} is not ready yet", worker.index);
  const base::Time last{base::Duration(counters.last_turn.get())};
  if (now - last <= Health::turn_patience) return {};
  return fmt::format("worker {} hangs: its loop turned {:.0f} s ago", worker.index,
                     std::chrono::duration<double>(now - last).count());
}

}  // namespace

HealthAnswer Health::answer() const {
  const nlohmann::ordered_json body{
      {"ready", ready}, {"problems", problems}, {"degraded", degraded}};
  return {ready, body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"};
}

Health health_of(const HealthSources& from, base::Time now) {
  Health health;
  const auto workers = from.server.workers();
  if (workers.empty()) health.problems.push_back("no worker was started");
  for (const WorkerState& worker : workers) {
    std::string problem = problem_of(worker, from.server.worker_counters(worker.index), now);
    if (!problem.empty()) health.problems.push_back(std::move(problem));
  }
  if (from.server.info().listen.empty()) health.problems.push_back("no socket is bound");
  for (const std::string& list : from.lists.rules().awaited)
    health.problems.push_back(fmt::format("list {} has no rules yet", list));
  health.ready = health.problems.empty();
  for (std::string trouble :
       {from.ledger.trouble(), from.recorder.trouble(), from.queries.trouble()})
    if (!trouble.empty()) health.degraded.push_back(std::move(trouble));
  return health;
}

HealthAnswer alive() {
  return {true, "{\"alive\":true}\n"};
}

}  // namespace culvert::control
