// The supervisor: opens what must be opened, starts the workers, and stops everything on SIGTERM or
// SIGINT. Workers keeps them running, LiveServer changes what they do; the control plane asks that.
// It never parses a tunnel packet.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "app/live_server.hpp"
#include "app/peer_watch.hpp"
#include "app/runtime.hpp"
#include "app/workers.hpp"
#include "control/events.hpp"
#include "control/plane.hpp"
#include "control/state_store.hpp"

namespace culvert::app {

class Supervisor final : Workers::Events {
 public:
  // Throws std::exception in words for the operator if anything cannot be had.
  Supervisor(std::unique_ptr<Config> config, std::function<Loaded()> load_again);

  int run();  // the exit code

 private:
  void on_worker_ready(unsigned worker, const Ready& ready) override;
  void on_peer_report(unsigned worker, const ControlMessage& message) override;
  void on_worker_lost(unsigned worker, const std::string& how, bool was_ready) override;
  void on_all_stopped() override { io_.stop(); }
  void make_plane();
  void wait_signal();
  void on_signal(int signal);
  void reload();
  void stop();

  std::unique_ptr<control::StateStore> store_;  // null: nothing persists
  Runtime runtime_;
  boost::asio::io_context io_{1};
  boost::asio::posix::stream_descriptor signals_;
  boost::asio::steady_timer patience_;
  control::EventBus events_;
  PeerWatch watch_;
  Workers workers_;
  LiveServer server_;
  std::unique_ptr<control::ControlPlane> plane_;  // from the workers' start to their end
  bool announced_ = false;
  int exit_code_ = 0;
};

}  // namespace culvert::app
