// Metrics of workers: their state, loops, drops, and how much of each bound is used.
#include <fmt/format.h>

#include "control/metrics_parts.hpp"

namespace culvert::control {
namespace {

using base::WorkerCounters;

struct Row {
  WorkerState state;
  const WorkerCounters& counters;
  std::string labels;
};

std::uint64_t host_sockets(const WorkerCounters& c) noexcept {
  return c.tcp_open.get() + c.udp_open.get() + c.echo_open.get();
}

void state(Exposition& out, const std::vector<Row>& rows, base::Time now) {
  out.gauge("culvert_worker_up", "1 if the worker's process runs");
  for (const Row& row : rows) out.sample(row.labels, row.state.pid != 0);
  out.gauge("culvert_worker_ready", "1 if the worker serves");
  for (const Row& row : rows) out.sample(row.labels, row.state.ready);
  out.counter("culvert_worker_starts_total", "How often the worker was started");
  for (const Row& row : rows) out.sample(row.labels, row.counters.starts.get());
  out.gauge("culvert_worker_info", "1; what the worker uses");
  for (const Row& row : rows)
    out.sample(
        row.labels,
        fmt::format("{},{},{},{}", label("aead", row.state.aead), label("gso", row.state.gso),
                    label("gro", row.state.gro), label("sandbox", row.state.sandbox)),
        1);
  out.gauge("culvert_worker_turn_age_seconds",
            "How long ago the worker's loop turned; an idle one turns every 2 s");
  for (const Row& row : rows) {
    const base::Time last{base::Duration(row.counters.last_turn.get())};
    const auto age = last.time_since_epoch().count() == 0 ? base::Duration{} : now - last;
    out.sample(row.labels, std::chrono::duration<double>(std::max(age, base::Duration{})).count());
  }
  out.family("culvert_loop_turn_seconds", Exposition::Type::histogram,
             "How long turns of the worker's loop took, without their wait");
  for (const Row& row : rows) out.histogram(row.labels, row.counters.turns);
}

void drops(Exposition& out, const std::vector<Row>& rows) {
  out.counter("culvert_drops_total", "Packets and flows dropped or refused, by reason");
  for (std::size_t i = 0; i < std::size_t(base::Drop::count_); ++i) {
    const std::string reason = label("reason", to_string(base::Drop(i)));
    for (const Row& row : rows)
      out.sample(reason, row.labels, row.counters.drops.get(base::Drop(i)));
  }
}

void sums(Exposition& out, const std::vector<Row>& rows) {
  using W = WorkerCounters;
  struct Column {
    std::string_view labels;
    base::Counter W::*counter;
  };
  const auto columns = [&](std::initializer_list<Column> of) {
    for (const Row& row : rows)
      for (const Column& each : of)
        out.sample(row.labels, each.labels, (row.counters.*each.counter).get());
  };
  out.counter("culvert_datagrams_total", "UDP datagrams of WireGuard");
  columns(
      {{"direction=\"received\"", &W::datagrams_in}, {"direction=\"sent\"", &W::datagrams_out}});
  out.counter("culvert_socket_calls_total", "System calls that moved these datagrams");
  columns({{"call=\"receive\"", &W::receive_calls}, {"call=\"send\"", &W::send_calls}});
  out.counter("culvert_dials_total", "TCP connections to origins begun");
  columns({{"", &W::dials}});
  out.counter("culvert_dials_failed_total", "TCP connections to origins that failed");
  columns({{"", &W::dials_failed}});
  out.counter("culvert_handshakes_under_load_total",
              "Handshake messages that came while the worker was under load");
  columns({{"", &W::handshakes_under_load}});
  out.gauge("culvert_open_flows", "Flows open now");
  columns({{"protocol=\"tcp\"", &W::tcp_open},
           {"protocol=\"udp\"", &W::udp_open},
           {"protocol=\"icmp\"", &W::echo_open}});
}

struct Limit {
  std::string_view name;
  base::Counter WorkerCounters::*maximum;
  std::uint64_t (*in_use)(const WorkerCounters&);
};

constexpr Limit all_limits[] = {{"tcp_flows", &WorkerCounters::tcp_max,
                                 [](const WorkerCounters& c) { return c.tcp_open.get(); }},
                                {"udp_mappings", &WorkerCounters::udp_max,
                                 [](const WorkerCounters& c) { return c.udp_open.get(); }},
                                {"tcp_dials", &WorkerCounters::dials_max,
                                 [](const WorkerCounters& c) { return c.dialling.get(); }},
                                {"host_sockets", &WorkerCounters::descriptors_max, host_sockets},
                                {"packets", &WorkerCounters::packets_max,
                                 [](const WorkerCounters& c) { return c.packets_in_use.get(); }}};

void limits(Exposition& out, const std::vector<Row>& rows) {
  out.gauge("culvert_limit_in_use", "How much of a bound of the worker is used");
  for (const Limit& each : all_limits)
    for (const Row& row : rows)
      out.sample(label("limit", each.name), row.labels, each.in_use(row.counters));
  out.gauge("culvert_limit_maximum", "The most that the worker may use of it");
  for (const Limit& each : all_limits)
    for (const Row& row : rows)
      out.sample(label("limit", each.name), row.labels, (row.counters.*each.maximum).get());
}

}  // namespace

void worker_metrics(Exposition& out, const Server& server, base::Time now) {
  std::vector<Row> rows;
  for (WorkerState& state : server.workers()) {
    const unsigned index = state.index;
    rows.push_back(
        {std::move(state), server.worker_counters(index), label("worker", std::to_string(index))});
  }
  state(out, rows, now);
  drops(out, rows);
  sums(out, rows);
  limits(out, rows);
}

}  // namespace culvert::control
