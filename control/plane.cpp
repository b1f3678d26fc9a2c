#include "control/plane.hpp"

#include <boost/asio/steady_timer.hpp>
#include <map>
#include <optional>
#include <stdexcept>

#include "base/log.hpp"
#include "control/api.hpp"
#include "control/dns_controls.hpp"
#include "control/dns_lists.hpp"
#include "control/flow_recorder.hpp"
#include "control/forget_secrets.hpp"
#include "control/health.hpp"
#include "control/hooks.hpp"
#include "control/http_server.hpp"
#include "control/ledger_book.hpp"
#include "control/metrics.hpp"
#include "control/query_recorder.hpp"
#include "control/status_line.hpp"
#include "control/uapi_server.hpp"

namespace culvert::control {
namespace {

using std::chrono::milliseconds;

// A ring holds what 5,000 flows a second end in 3 s.
constexpr auto record_interval = milliseconds(250);
constexpr unsigned records_a_count = 4;  // the ledger counts once a second
constexpr unsigned counts_a_drain = 60;  // destinations go to the ledger once a minute

base::Time boot_now() {
  return base::BootClock::now();
}
base::WallTime wall_now() {
  return base::WallTime(std::chrono::system_clock::now());
}

Calendar open_calendar(const AccountingSettings& settings) {
  auto calendar = Calendar::open(settings.time_zone);
  if (!calendar) throw std::runtime_error(calendar.problem().to_line());
  return std::move(*calendar);
}

}  // namespace

struct ControlPlane::Impl {
  explicit Impl(Parts given)
      : parts(std::move(given)),
        calendar(open_calendar(parts.settings.accounting)),
        recorder(parts.settings.accounting),
        queries(parts.server.dns_settings()),
        dns_controls(parts.server),
        ledger(parts.server, parts.store, parts.events, open_calendar(parts.settings.accounting),
               parts.settings.accounting),
        hooks({.executor = parts.io.get_executor(),
               .bus = parts.events,
               .admit = [this](std::uint32_t slot,
                               bool admitted) { ledger.set_admitted(slot, admitted); },
               .in_child = parts.in_child}),
        lists({.executor = parts.io.get_executor(),
               .server = parts.server,
               .events = parts.events,
               .state_dir = parts.state_dir,
               .in_child =
                   [this] {
                     if (parts.in_child) parts.in_child();
                     forget_secrets();  // it may be before anybody else knows of this object
                   },
               .random = random,
               .wall = wall_now}),
        status_line(parts.settings.status_line),
        api(api_parts()),
        http(parts.io, api),
        pulse(parts.io) {
    counting = parts.events.listen([this](const Event& event) { ++told[event.kind]; });
    ledger.tick(wall_now(), boot_now());
    hooks.configure(parts.settings.webhooks, parts.settings.admission, parts.server.peers());
    ledger.tick(wall_now(), boot_now());
    dns_controls.tick(calendar, wall_now());
    lists.prepare();
  }

  void forget_secrets() noexcept {
    control::forget_secrets(parts.settings);
    api.forget_token();
    hooks.forget_secrets();
  }

  ApiParts api_parts() {
    return {.server = parts.server,
            .ledger = ledger,
            .events = parts.events,
            .queries = &queries,
            .dns_controls = &dns_controls,
            .lists = &lists,
            .token = parts.settings.token,
            .known_hosts = {parts.doors.http.substr(0, parts.doors.http.rfind(':'))},
            .metrics = [this] { return metrics_page(metrics_sources(), boot_now()); },
            .healthy = alive,
            .ready =
                [this] {
                  const HealthSources sources{parts.server, ledger, recorder, queries, lists};
                  return health_of(sources, boot_now()).answer();
                },
            .parse_time = [this](std::string_view text) { return calendar.parse(text); },
            .client_file = parts.client_file,
            .now = wall_now};
  }

  MetricsSources metrics_sources() {
    return {.server = parts.server,
            .ledger = ledger,
            .recorder = recorder,
            .counters = [this] { return control_counters(); },
            .max_peers = parts.max_peers,
            .lists = &lists};
  }

  ControlCounters control_counters() const {
    ControlCounters counters;
    for (const auto& [kind, count] : told) counters.events.emplace_back(to_string(kind), count);
    for (const WebhookStatus& hook : hooks.webhooks())
      counters.webhooks.push_back(
          {hook.url, hook.delivered, hook.failed, hook.dropped, hook.waiting});
    if (const auto status = hooks.admission()) {
      counters.admission_allowed = status->admitted;
      counters.admission_refused = status->refused;
      counters.admission_failed = status->failed;
    }
    return counters;
  }

  void open_http() {
    try {
      http.listen_tcp(parts.doors.http);
    } catch (const std::runtime_error& error) {
      if (parts.doors.http_is_asked_for) throw;
      base::log::warn("no metrics: {}", error.what());
    }
  }

  void beat() {
    pulse.expires_after(record_interval);
    pulse.async_wait([this](boost::system::error_code error) {
      if (error) return;
      on_beat(boot_now(), wall_now());
      beat();
    });
  }

  void on_beat(base::Time now, base::WallTime wall) {
    recorder.tick(parts.server, now, wall);
    queries.tick(parts.server, now, wall);
    if (++beats % records_a_count != 0) return;
    if (beats % (records_a_count * counts_a_drain) == 0) drain_destinations();
    ledger.tick(wall, now);
    dns_controls.tick(calendar, wall);
    lists.tick();
    status_line.tick(parts.server, now, wall);
  }

  void drain_destinations() {
    recorder.destinations().drain(
        [this](std::uint32_t slot, std::span<const Destination> destinations) {
          ledger.add_destinations(slot, destinations);
        });
  }

  std::vector<std::string> configure(const Settings& settings) {
    std::vector<std::string> waiting;
    Settings& old = parts.settings;
    if (settings.token != old.token) waiting.push_back("server.http_token");
    if (settings.accounting.database != old.accounting.database)
      waiting.push_back("accounting.database");
    if (settings.accounting.active_timeout != old.accounting.active_timeout)
      waiting.push_back("accounting.active_timeout");  // the workers' own
    if (settings.accounting != old.accounting) configure_accounting(settings.accounting);
    queries.configure(parts.server.dns_settings());
    lists.configure();
    if (settings.status_line != old.status_line) status_line = StatusLine(settings.status_line);
    hooks.configure(settings.webhooks, settings.admission, parts.server.peers());
    control::forget_secrets(old);
    old = settings;
    return waiting;
  }

  void configure_accounting(const AccountingSettings& settings) {
    recorder.tick(parts.server, boot_now(), wall_now());
    drain_destinations();
    recorder.configure(settings);
    auto opened = Calendar::open(settings.time_zone);
    if (!opened) return base::log::error("{}", opened.problem().to_line());
    ledger.configure(std::move(*opened), settings);
    calendar = open_calendar(settings);
  }

  Parts parts;
  Calendar calendar;
  FlowRecorder recorder;
  QueryRecorder queries;
  DnsControls dns_controls;
  LedgerBook ledger;
  Hooks hooks;
  base::SystemRandom random;
  DnsLists lists;
  StatusLine status_line;
  Api api;
  HttpServer http;
  std::optional<UapiServer> uapi;
  boost::asio::steady_timer pulse;
  unsigned beats = 0;
  std::map<EventKind, std::uint64_t> told;
  std::shared_ptr<void> counting;
};

ControlPlane::ControlPlane(Parts parts) : impl_(std::make_unique<Impl>(std::move(parts))) {}

ControlPlane::~ControlPlane() = default;

void ControlPlane::open() {
  const Doors& doors = impl_->parts.doors;
  if (!doors.local.empty()) impl_->http.listen_local(doors.local);
  if (!doors.http.empty()) impl_->open_http();
  if (!doors.uapi_directory.empty())
    impl_->uapi.emplace(impl_->parts.io.get_executor(), impl_->parts.server,
                        UapiServer::Options{doors.uapi_directory, doors.interface});
  impl_->beat();
}

std::vector<std::string> ControlPlane::configure(const Settings& settings) {
  return impl_->configure(settings);
}

void ControlPlane::forget_secrets() noexcept {
  impl_->forget_secrets();
}

void ControlPlane::close() {
  Impl& impl = *impl_;
  impl.pulse.cancel();
  impl.http.close();
  impl.uapi.reset();
  impl.recorder.flush(impl.parts.server, boot_now(), wall_now());
  impl.queries.flush(impl.parts.server, boot_now(), wall_now());
  impl.drain_destinations();
  impl.ledger.close(wall_now(), boot_now());
}

void ControlPlane::on_peer_added(const Peer& peer) {
  impl_->dns_controls.enter(peer, impl_->calendar, wall_now());
  impl_->hooks.on_peer_added(peer);
}

void ControlPlane::on_peer_connected(const Peer& peer) {
  impl_->hooks.on_peer_connected(peer);
}

void ControlPlane::on_peer_disconnected(const Peer& peer) {
  impl_->hooks.on_peer_disconnected(peer);
}

void ControlPlane::on_peer_left(std::uint32_t slot) {
  Impl& impl = *impl_;
  impl.hooks.on_peer_left(slot);
  impl.recorder.tick(impl.parts.server, boot_now(), wall_now());
  impl.queries.tick(impl.parts.server, boot_now(), wall_now());
  impl.drain_destinations();
  impl.ledger.leave(slot);
}

}  // namespace culvert::control
