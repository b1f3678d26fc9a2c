// Flow: what every kind of flow has. The flow table owns it from add() until the end of the loop
// turn in which it closed. close() is idempotent.
#pragma once

#include <functional>
#include <memory>

#include "base/ip.hpp"
#include "base/socket_poller.hpp"
#include "base/time.hpp"
#include "proxy/deadline_wheel.hpp"
#include "proxy/flow_record.hpp"

namespace culvert::proxy {

struct Context;
struct ClientState;

class Flow : public Timed, public base::SocketPoller::Waiter {
 public:
  enum class Kind : std::uint8_t { tcp, udp, echo };

  Flow(Context& context, ClientState& client, Kind kind) noexcept
      : context_(context), client_(client), kind_(kind) {}

  // Ends the flow at once, in both directions, and leaves the table. Its record says why.
  virtual void close() noexcept = 0;
  void end(FlowRecord::End why) noexcept {
    end_ = why;
    close();
  }
  // The client's addresses or the egress policy have changed: ends what is no longer allowed.
  virtual void on_policy() noexcept = 0;
  // What there is to tell of it now: one record, or one for each origin.
  virtual void each_record(const std::function<void(const FlowRecord&)>& each) const = 0;
  // Once per loop turn after mark_dirty().
  virtual void on_turn() noexcept = 0;
  // Something happened at the host socket.
  void on_ready(std::uint32_t events) noexcept override = 0;

  Kind kind() const noexcept { return kind_; }
  ClientState& client() const noexcept { return client_; }
  base::Time last_active() const noexcept { return last_active_; }

 protected:
  friend class FlowTable;
  void mark_dirty() noexcept;
  // Moves the flow to the young end of its client's list; call it when it was used.
  void touch() noexcept;

  Context& context_;
  ClientState& client_;
  base::Time last_active_{};
  const Kind kind_;
  FlowRecord::End end_ = FlowRecord::End::finished;

 public:
  AutoUnlink dirty_hook, client_hook;

 private:
  std::unique_ptr<Flow> self_;  // set while the table owns it
};

}  // namespace culvert::proxy
