// Workers: starts the worker processes, starts them again when they die, carries orders to them and
// tells when those are done. What is to hold must be in the Runtime before it is ordered: a worker
// that dies meanwhile is followed by one that was forked with it, so the order is done as well.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "app/restart_backoff.hpp"
#include "app/runtime.hpp"
#include "app/worker_process.hpp"
#include "control/server.hpp"

namespace culvert::app {

class Workers final : WorkerProcess::Events {
 public:
  class Events {
   public:
    virtual ~Events() = default;
    virtual void on_worker_ready(unsigned worker, const Ready& ready) = 0;
    // PeerUp, PeerMoved, PeerDown; of any slot: the worker may lie.
    virtual void on_peer_report(unsigned worker, const ControlMessage& message) = 0;
    // It ended without being asked to, and is started again; or it never got ready, and is not.
    virtual void on_worker_lost(unsigned worker, const std::string& how, bool was_ready) = 0;
    virtual void on_all_stopped() = 0;  // after stop()
  };

  // How an order ended. A worker that died counts as done: its successor knows.
  struct Answer {
    std::string error;  // why the worker could not carry it out; empty if it did
    std::vector<proxy::FlowRecord> flows;
  };
  using OnAnswer = std::function<void(Answer answer)>;

  Workers(boost::asio::io_context& io, Runtime& runtime, Events& events);
  ~Workers() override;

  void start();  // all of them; throws std::system_error
  void stop();   // asks all, once
  void kill() noexcept;
  void reap();  // after SIGCHLD
  bool stopping() const noexcept { return stopping_; }
  bool ready() const noexcept;  // all of them

  // `on_answer` is called later, exactly once, unless everything ends before.
  void order(unsigned worker, Order::What what, OnAnswer on_answer);
  // Ends it and starts it anew with what the Runtime holds then; `on_ready` is told when it is
  // ready.
  void restart(unsigned worker, std::function<void()> on_ready);

  std::vector<control::WorkerState> states() const;

 private:
  struct Pending {
    OnAnswer on_answer;
    std::vector<proxy::FlowRecord> flows;
  };
  struct Slot {
    Slot(boost::asio::io_context& io, WorkerProcess::Events& events)
        : process(io, events), restart(io) {}
    WorkerProcess process;
    boost::asio::steady_timer restart;
    RestartBackoff backoff;
    base::Time started{};
    Ready said;
    bool ready = false;      // this process
    bool was_ready = false;  // any before it
    bool asked = false;      // to end, for restart()
    std::uint64_t rules_known = 0, dns_policies_known = 0;
    std::map<std::uint64_t, Pending> pending;  // by the order's number
    std::vector<std::function<void()>> on_ready;
  };

  void start_worker(unsigned index);
  void start_again(unsigned index, base::Duration after);
  void tell_new_policies(Slot& slot);
  void answer_all(Slot& slot);
  void on_worker_message(unsigned worker, const ControlMessage& message) override;
  void on_worker_end(unsigned worker, const std::string& how) override;
  void on_ready(unsigned worker, const Ready& ready);
  void on_done(Slot& slot, const Done& done);
  void on_flows(Slot& slot, const FlowList& list);
  void finish_if_stopped();

  boost::asio::io_context& io_;
  Runtime& runtime_;
  Events& events_;
  std::deque<Slot> slots_;
  std::uint64_t last_order_ = 0;
  bool stopping_ = false;
};

}  // namespace culvert::app
