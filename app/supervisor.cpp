#include "app/supervisor.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "app/run.hpp"
#include "app/sandbox.hpp"
#include "app/service_manager.hpp"
#include "app/startup_log.hpp"
#include "base/log.hpp"
#include "wg/aead.hpp"
#include "wg/crypto.hpp"

namespace culvert::app {
namespace {

using boost::asio::posix::descriptor_base;
using boost::system::error_code;
namespace log = base::log;

// The receiver index has one byte for the worker.
constexpr unsigned max_workers = 256;
// A stop is complete within 2 s: workers that do not end by themselves are ended.
constexpr auto stop_patience = std::chrono::milliseconds(1500);

unsigned worker_count(const Config& config) {
  if (config.workers > 0) return std::min(config.workers, max_workers);
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (::sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
  return std::clamp(unsigned(CPU_COUNT(&cores)), 1u, max_workers);
}

PeerRoutes routes_of(const Config& config, unsigned workers) {
  PeerRoutes routes;
  for (std::uint32_t i = 0; i < config.peers.size(); ++i)
    for (const base::Prefix& prefix : config.peers[i].allowed_ips)
      routes.add(prefix, {i, wg::owner_of(config.peers[i].public_key, workers)});
  return routes;
}

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

void prepare_keys(Config& config) {
  // Best effort: the limit of locked memory may be zero.
  ::mlock(&config.private_key, sizeof config.private_key);
  wg::init_crypto();
  if (!wg::set_aead(config.aead))
    throw std::runtime_error("server.aead: " + config.aead + " is not to be had on this machine");
}

std::unique_ptr<Config> prepare(std::unique_ptr<Config> config) {
  harden_process();
  prepare_keys(*config);
  return config;
}

}  // namespace

Supervisor::Supervisor(std::unique_ptr<Config> config)
    : config_(prepare(std::move(config))),
      workers_(worker_count(*config_)),
      file_limit_(raise_file_limit()),
      routes_(routes_of(*config_, workers_)),
      sockets_(open_tunnel_sockets(*config_, workers_)),
      forwards_(open_forwards(*config_, routes_)),
      inboxes_(workers_),
      shared_(workers_, config_->peers.size()),
      peers_(config_->peers.size()),
      signals_(io_, open_signals()),
      patience_(io_) {
  WorkerProcess::Events& events = *this;
  for (unsigned i = 0; i < workers_; ++i) slots_.emplace_back(io_, events);
}

Supervisor::~Supervisor() {
  for (Slot& slot : slots_) slot.process.kill();
}

int Supervisor::run() {
  wait_signal();
  for (unsigned i = 0; i < workers_; ++i) start_worker(i);
  io_.run();
  if (exit_code_ == 0) log::info("stopped");
  return exit_code_;
}

void Supervisor::start_worker(unsigned index) {
  Slot& slot = slots_[index];
  slot.started = base::BootClock::now();
  slot.ready = false;
  slot.process.start({.index = index,
                      .workers = workers_,
                      .config = *config_,
                      .sockets = sockets_,
                      .forwards = forwards_,
                      .inboxes = inboxes_,
                      .routes = routes_,
                      .shared = shared_,
                      .peers = peers_,
                      .control = {}});
}

void Supervisor::on_worker_message(unsigned worker, const ControlMessage& message) {
  if (const auto* ready = std::get_if<Ready>(&message)) return on_ready(worker, *ready);
  if (const auto* failed = std::get_if<Failed>(&message))
    return log::error("worker {} could not start: {}", worker, failed->error);
  on_peer(worker, message);
}

void Supervisor::on_ready(unsigned worker, const Ready& ready) {
  Slot& slot = slots_[worker];
  if (slot.was_ready) log::info("worker {} is back", worker);
  slot.ready = slot.was_ready = true;
  if (announced_ || stopping_) return;
  if (!std::ranges::all_of(slots_, &Slot::ready)) return;
  announced_ = true;
  log_startup({*config_, sockets_, forwards_, workers_, file_limit_, ready});
  log::info("ready");
  notify_service_manager("READY=1");
}

void Supervisor::on_peer(unsigned worker, const ControlMessage& message) {
  const auto remember = [&](std::uint32_t peer) -> PeerMemory* {
    const bool owned =
        peer < peers_.size() && wg::owner_of(config_->peers[peer].public_key, workers_) == worker;
    return owned ? &peers_[peer] : nullptr;  // a worker speaks for its own peers only
  };
  if (const auto* up = std::get_if<PeerUp>(&message)) {
    PeerMemory* memory = remember(up->peer);
    if (!memory) return;
    if (!memory->up)
      log::info("peer {} connected from {}", name_of(up->peer), up->path.remote.to_string());
    *memory = {up->path, true};
  } else if (const auto* moved = std::get_if<PeerMoved>(&message)) {
    PeerMemory* memory = remember(moved->peer);
    if (!memory) return;
    if (memory->up)
      log::debug("peer {} is now at {}", name_of(moved->peer), moved->path.remote.to_string());
    memory->path = moved->path;
  } else if (const auto* down = std::get_if<PeerDown>(&message)) {
    PeerMemory* memory = remember(down->peer);
    if (!memory) return;
    if (memory->up) log::info("peer {} is gone: its session ended", name_of(down->peer));
    memory->up = false;
  }
}

void Supervisor::on_worker_end(unsigned worker, const std::string& how) {
  Slot& slot = slots_[worker];
  if (stopping_) {
    if (slot.was_ready && how != "exit code 0") log::warn("worker {}: {}", worker, how);
    return finish_if_stopped();
  }
  log::error("worker {} ended: {}", worker, how);
  if (!slot.was_ready) {
    exit_code_ = 1;
    return stop();
  }
  slot.restart.expires_after(slot.backoff.next(base::BootClock::now() - slot.started));
  slot.restart.async_wait([this, worker](error_code error) {
    if (error || stopping_) return;
    try {
      start_worker(worker);
    } catch (const std::exception& failure) {
      on_worker_end(worker, failure.what());
    }
  });
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
      for (Slot& slot : slots_) slot.process.reap();
      return;
    case SIGHUP:
      return log::warn("SIGHUP: this version does not reload its configuration; restart it");
    default:
      log::info("{}: stopping", signal == SIGINT ? "SIGINT" : "SIGTERM");
      return stop();
  }
}

void Supervisor::stop() {
  if (std::exchange(stopping_, true)) return;
  notify_service_manager("STOPPING=1");
  for (Slot& slot : slots_) slot.restart.cancel(), slot.process.stop();
  patience_.expires_after(stop_patience);
  patience_.async_wait([this](error_code error) {
    if (error) return;
    for (Slot& slot : slots_) slot.process.kill();
  });
  finish_if_stopped();
}

void Supervisor::finish_if_stopped() {
  if (std::ranges::any_of(slots_, [](const Slot& slot) { return slot.process.running(); })) return;
  io_.stop();
}

int run_server(std::unique_ptr<Config> config) try {
  log::set_up(config->log_level, config->log_format, "supervisor");
  return Supervisor(std::move(config)).run();
} catch (const std::exception& error) {
  log::error("{}", error.what());
  return 1;
}

}  // namespace culvert::app
