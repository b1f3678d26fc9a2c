// A worker as the supervisor sees it: a child process and a control channel. It has ended when both
// are gone, so that its last words are heard.
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>

#include "app/control_channel.hpp"
#include "app/control_message.hpp"
#include "app/order.hpp"
#include "app/worker.hpp"

namespace culvert::app {

class WorkerProcess {
 public:
  class Events {
   public:
    virtual ~Events() = default;
    virtual void on_worker_message(unsigned worker, const ControlMessage& message) = 0;
    // `how` in words: "killed by signal 9 (Killed)", "exit code 1".
    virtual void on_worker_end(unsigned worker, const std::string& how) = 0;
  };

  WorkerProcess(boost::asio::io_context& io, Events& events)
      : io_(io), events_(events), grace_(io) {}

  // Forks. `start` without its sockets to us, which are made here. Throws std::system_error.
  void start(WorkerStart start);
  bool running() const noexcept { return pid_ > 0 || channel_; }
  pid_t pid() const noexcept { return pid_; }
  // False if it cannot be told any more.
  bool send_table(int table) noexcept;
  bool send(const Order& order);
  void stop();           // asks
  void kill() noexcept;  // does not ask
  // After SIGCHLD: collects the child if it is the one that ended.
  void reap();

 private:
  void on_channel_closed();
  void end_if_gone();

  boost::asio::io_context& io_;
  Events& events_;
  boost::asio::steady_timer grace_;
  unsigned index_ = 0;
  pid_t pid_ = -1;
  std::shared_ptr<ControlChannel> channel_;
  base::FileDescriptor tables_;
  std::string how_;
};

}  // namespace culvert::app
