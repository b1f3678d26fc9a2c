#include "control/metrics.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "control/metrics_parts.hpp"
#include "control/metrics_peers.hpp"
#include "control/process_stats.hpp"

namespace culvert::control {
namespace {

void server_metrics(Exposition& out, const MetricsSources& from) {
  const ServerInfo& info = from.server.info();
  const auto peers = from.server.peers();
  out.gauge("culvert_build_info", "1; the version that runs");
  out.sample(label("version", info.version), 1);
  out.gauge("culvert_peers", "Peers known");
  out.sample("", peers.size());
  if (from.max_peers > 0) {
    out.gauge("culvert_peers_maximum", "Peers there is room for");
    out.sample("", from.max_peers);
  }
  out.gauge("culvert_peers_connected", "Peers that have a session");
  out.sample("", std::uint64_t(std::ranges::count(peers, true, &Peer::connected)));
  out.gauge("culvert_state_store_ok", "1 if the state database takes everything");
  out.sample("", std::uint64_t(from.ledger.trouble().empty()));
}

void record_metrics(Exposition& out, const FlowRecorder& recorder) {
  const FlowRecorder::Stats stats = recorder.stats();
  const auto one = [&out](std::string_view name, std::string_view help, std::uint64_t value) {
    out.counter(name, help);
    out.sample("", value);
  };
  one("culvert_flow_records_total", "Flow records told of", stats.records);
  one("culvert_flow_log_lines_total", "Lines for the flow log", stats.log.lines);
  one("culvert_flow_log_lost_lines_total", "Lines that the disk did not take", stats.log.lost);
  one("culvert_flow_log_written_bytes_total", "Bytes of the flow log", stats.log.bytes);
  one("culvert_flow_log_rotations_total", "Files of the flow log turned", stats.log.rotations);
  one("culvert_ipfix_records_total", "Flow records sent to the collector", stats.ipfix.records);
  one("culvert_ipfix_lost_records_total", "Flow records the collector refused", stats.ipfix.lost);
  one("culvert_ipfix_messages_total", "IPFIX messages sent", stats.ipfix.messages);
  one("culvert_ipfix_failed_messages_total", "IPFIX messages refused", stats.ipfix.failed);
  out.gauge("culvert_flow_export_ok", "1 if flow log and collector take their records");
  out.sample("", std::uint64_t(recorder.trouble().empty()));
}

void event_metrics(Exposition& out, const ControlCounters& counters) {
  using Webhook = ControlCounters::Webhook;
  out.counter("culvert_events_total", "Events published");
  for (const auto& [kind, count] : counters.events) out.sample(label("type", kind), count);
  out.counter("culvert_webhook_events_total", "Events for webhooks, by what became of them");
  for (const Webhook& each : counters.webhooks) {
    const std::string target = label("target", each.target);
    out.sample(target, "result=\"delivered\"", each.delivered);
    out.sample(target, "result=\"dropped\"", each.dropped);
  }
  out.counter("culvert_webhook_failed_attempts_total", "Attempts that a webhook did not take");
  for (const Webhook& each : counters.webhooks)
    out.sample(label("target", each.target), each.failed);
  out.gauge("culvert_webhook_waiting_events", "Events that wait for a webhook");
  for (const Webhook& each : counters.webhooks)
    out.sample(label("target", each.target), each.waiting);
  out.counter("culvert_admission_checks_total", "Answers of the admission hook");
  out.sample("verdict=\"allowed\"", counters.admission_allowed);
  out.sample("verdict=\"refused\"", counters.admission_refused);
  out.sample("verdict=\"failed\"", counters.admission_failed);
}

// The standard names are the supervisor's alone; workers have culvert_worker_*.
void process_metrics(Exposition& out, const Server& server) {
  if (const auto own = process_stats(::getpid())) {
    out.counter("process_cpu_seconds_total", "CPU time of the supervisor");
    out.sample("", own->cpu_seconds);
    out.gauge("process_resident_memory_bytes", "Resident memory of the supervisor");
    out.sample("", own->resident_bytes);
    out.gauge("process_virtual_memory_bytes", "Virtual memory of the supervisor");
    out.sample("", own->virtual_bytes);
  }
  out.gauge("process_open_fds", "Open descriptors of the supervisor");
  out.sample("", open_descriptors());
  out.gauge("process_max_fds", "Descriptors that a process may have");
  out.sample("", server.info().file_limit);
  out.gauge("process_start_time_seconds", "Unix time at which the server was started");
  out.sample("", std::chrono::duration<double>(server.info().started.time_since_epoch()).count());

  std::vector<std::pair<std::string, ProcessStats>> workers;
  for (const WorkerState& worker : server.workers())
    if (worker.pid > 0)
      if (const auto stats = process_stats(worker.pid))
        workers.emplace_back(label("worker", std::to_string(worker.index)), *stats);
  out.counter("culvert_worker_cpu_seconds_total", "CPU time of the worker's process");
  for (const auto& [labels, stats] : workers) out.sample(labels, stats.cpu_seconds);
  out.gauge("culvert_worker_resident_memory_bytes", "Resident memory of the worker's process");
  for (const auto& [labels, stats] : workers) out.sample(labels, stats.resident_bytes);
}

}  // namespace

struct MetricsPage::Impl {
  static constexpr std::size_t peers_a_step = 200;

  MetricsSources from;
  base::Time now;
  Exposition out;
  PeerFamilies families;
  enum { server, peers, joining, done } next = server;
};

MetricsPage::MetricsPage(const MetricsSources& from, base::Time now)
    : impl_(new Impl{from, now, {}, PeerFamilies(from.server, from.ledger)}) {}

MetricsPage::~MetricsPage() = default;

bool MetricsPage::step() {
  Impl& page = *impl_;
  const MetricsSources& from = page.from;
  switch (page.next) {
    case Impl::server:
      server_metrics(page.out, from);
      worker_metrics(page.out, from.server, page.now);
      dns_metrics(page.out, from.server);
      if (from.lists) list_metrics(page.out, *from.lists);
      process_metrics(page.out, from.server);
      record_metrics(page.out, from.recorder);
      event_metrics(page.out, from.counters ? from.counters() : ControlCounters{});
      group_metrics(page.out, from.server, from.ledger);
      page.next = Impl::peers;
      break;
    case Impl::peers:
      if (!page.families.add_some(Impl::peers_a_step)) page.next = Impl::joining;
      break;
    case Impl::joining:
      if (!page.families.append_one(page.out)) page.next = Impl::done;
      break;
    case Impl::done:
      break;
  }
  return page.next != Impl::done;
}

std::string MetricsPage::take() {
  return impl_->out.take();
}

boost::asio::awaitable<std::string> metrics_page(MetricsSources from, base::Time now) {
  MetricsPage page(from, now);
  const auto executor = co_await boost::asio::this_coro::executor;
  while (page.step()) co_await boost::asio::post(executor, boost::asio::use_awaitable);
  co_return page.take();
}

std::string metrics_text(const MetricsSources& from, base::Time now) {
  MetricsPage page(from, now);
  while (page.step()) continue;
  return page.take();
}

}  // namespace culvert::control
