// The supervisor: opens what must be opened, starts the workers, starts them again when they die,
// and stops everything on SIGTERM or SIGINT. It remembers where each peer was last seen, so that a
// new worker can go on. It never parses a tunnel packet.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <vector>

#include "app/config.hpp"
#include "app/inbox.hpp"
#include "app/listeners.hpp"
#include "app/peer_routes.hpp"
#include "app/restart_backoff.hpp"
#include "app/shared_state.hpp"
#include "app/worker_process.hpp"

namespace culvert::app {

class Supervisor final : WorkerProcess::Events {
 public:
  // Throws std::exception in words for the operator if anything cannot be had.
  explicit Supervisor(std::unique_ptr<Config> config);
  ~Supervisor() override;

  int run();  // the exit code

 private:
  struct Slot {
    Slot(boost::asio::io_context& io, WorkerProcess::Events& events)
        : process(io, events), restart(io) {}
    WorkerProcess process;
    boost::asio::steady_timer restart;
    RestartBackoff backoff;
    base::Time started{};
    bool ready = false;      // this process
    bool was_ready = false;  // any before it
  };

  void start_worker(unsigned index);
  void on_worker_message(unsigned worker, const ControlMessage& message) override;
  void on_worker_end(unsigned worker, const std::string& how) override;
  void on_ready(unsigned worker, const Ready& ready);
  void on_peer(unsigned worker, const ControlMessage& message);
  void wait_signal();
  void on_signal(int signal);
  void stop();
  void finish_if_stopped();
  const std::string& name_of(std::uint32_t peer) const { return config_->peers[peer].name; }

  std::unique_ptr<Config> config_;
  unsigned workers_;
  std::size_t file_limit_;
  PeerRoutes routes_;
  TunnelSockets sockets_;
  std::vector<ForwardSocket> forwards_;
  Inboxes inboxes_;
  SharedState shared_;
  std::vector<PeerMemory> peers_;
  boost::asio::io_context io_{1};
  boost::asio::posix::stream_descriptor signals_;
  boost::asio::steady_timer patience_;
  std::deque<Slot> slots_;
  bool announced_ = false;
  bool stopping_ = false;
  int exit_code_ = 0;
};

}  // namespace culvert::app
