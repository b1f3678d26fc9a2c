#include "app/supervisor.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "app/client_file.hpp"
#include "app/run.hpp"
#include "app/service_manager.hpp"
#include "app/startup_log.hpp"
#include "base/log.hpp"
#include "control/forget_secrets.hpp"

namespace culvert::app {
namespace {

using boost::asio::posix::descriptor_base;
using boost::system::error_code;
namespace log = base::log;

// A stop is complete within 2 s: workers that do not end by themselves are ended.
constexpr auto stop_patience = std::chrono::milliseconds(1500);

// Signals come as data: the one thread is never interrupted.
int open_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) ::sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  const int fd = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
  return fd;
}

// Whatever clients of the API ask for, this process does not take the CPU from a worker that runs.
// Workers make themselves ordinary processes.
void yield_to_workers() {
  const sched_param none{};
  ::sched_setscheduler(0, SCHED_BATCH, &none);
}

// In the state directory, or where accounting.database says; null if there is neither.
std::unique_ptr<control::StateStore> open_state(const Config& config) {
  const std::string where =
      control::database_connection(config.control.accounting.database, config.state_dir);
  if (where.empty()) return nullptr;
  auto opened = control::StateStore::open(where);
  if (!opened) throw std::runtime_error(opened.problem().to_line());
  return std::move(*opened);
}

boost::asio::awaitable<void> reload_and_tell(control::Server& server) {
  const auto report = co_await server.reload();
  if (!report) log::error("not reloaded: {}", report.problem().to_line());
}

}  // namespace

Supervisor::Supervisor(std::unique_ptr<Config> config, std::function<Loaded()> load_again)
    : store_(open_state(*config)),
      runtime_(std::move(config)),
      signals_(io_, open_signals()),
      patience_(io_),
      watch_(runtime_.registry, events_),
      workers_(io_, runtime_, *this),
      server_({.io = io_,
               .runtime = runtime_,
               .workers = workers_,
               .events = events_,
               .store = store_.get(),
               .load_again = std::move(load_again)}) {}

int Supervisor::run() {
  yield_to_workers();
  wait_signal();
  server_.enter_peers(std::exchange(runtime_.config->peers, {}));
  make_plane();
  plane_->open();  // workers close what they inherit
  workers_.start();
  boost::asio::co_spawn(io_, server_.keep_store(), boost::asio::detached);
  io_.run();
  plane_->close();
  if (exit_code_ == 0) log::info("stopped");
  return exit_code_;
}

void Supervisor::make_plane() {
  const Config& config = *runtime_.config;
  runtime_.in_worker = [this] {
    control::forget_secrets(runtime_.config->control);
    if (plane_) plane_->forget_secrets();
  };
  plane_ = std::make_unique<control::ControlPlane>(control::ControlPlane::Parts{
      .io = io_,
      .server = server_,
      .events = events_,
      .store = store_.get(),
      .settings = config.control,
      .doors = {.local = config.control_socket,
                .http = config.http,
                .http_is_asked_for = config.places.contains("server.http"),
                .uapi_directory = config.uapi_dir,
                .interface = config.interface},
      .max_peers = runtime_.registry.capacity(),
      .state_dir = config.state_dir,
      .client_file =
          [this](const control::Peer& peer) {
            return client_file_of(peer.entry, *runtime_.config);
          },
      .in_child =
          [this] {
            forget_secrets(runtime_);
            runtime_.in_worker();
          }});
  server_.observe(plane_.get());
  server_.configure_with(
      [this](const control::Settings& settings) { return plane_->configure(settings); });
  watch_.observe(plane_.get());
}

void Supervisor::on_worker_ready(unsigned, const Ready& ready) {
  if (announced_ || workers_.stopping() || !workers_.ready()) return;
  announced_ = true;
  log_startup({*runtime_.config, runtime_.sockets, runtime_.forwards, runtime_.workers,
               runtime_.registry.size(), runtime_.file_limit, ready});
  log::info("ready");
  notify_service_manager("READY=1");
}

void Supervisor::on_peer_report(unsigned worker, const ControlMessage& message) {
  watch_.on_report(worker, message);
}

void Supervisor::on_worker_lost(unsigned worker, const std::string& how, bool was_ready) {
  watch_.on_worker_lost(worker);
  if (was_ready) {
    events_.publish(control::EventKind::worker_restarted, {},
                    "worker " + std::to_string(worker) + " ended: " + how);
    return;
  }
  exit_code_ = 1;
  stop();
}

void Supervisor::wait_signal() {
  signals_.async_wait(descriptor_base::wait_read, [this](error_code error) {
    if (error) return;
    signalfd_siginfo info;
    while (::read(signals_.native_handle(), &info, sizeof info) == sizeof info)
      on_signal(int(info.ssi_signo));
    wait_signal();
  });
}

void Supervisor::on_signal(int signal) {
  switch (signal) {
    case SIGCHLD:
      return workers_.reap();
    case SIGHUP:
      log::info("SIGHUP: reading the configuration anew");
      return reload();
    default:
      log::info("{}: stopping", signal == SIGINT ? "SIGINT" : "SIGTERM");
      return stop();
  }
}

void Supervisor::reload() {
  boost::asio::co_spawn(io_, reload_and_tell(server_), boost::asio::detached);
}

void Supervisor::stop() {
  if (workers_.stopping()) return;
  notify_service_manager("STOPPING=1");
  patience_.expires_after(stop_patience);
  patience_.async_wait([this](error_code error) {
    if (!error) workers_.kill();
  });
  workers_.stop();
}

int run_server(std::unique_ptr<Config> config, std::function<Loaded()> load_again) try {
  log::set_up(config->log_level, config->log_format, "supervisor");
  return Supervisor(std::move(config), std::move(load_again)).run();
} catch (const std::exception& error) {
  log::error("{}", error.what());
  return 1;
}

}  // namespace culvert::app
