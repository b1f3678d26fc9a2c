// WorkerOrders: carries out what the supervisor orders, a little in every turn of the loop, so that
// a thousand new peers at once delay no packet. An order counts as done when its answer is sent.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "app/control_channel.hpp"
#include "app/control_message.hpp"
#include "app/order.hpp"
#include "app/worker_dns.hpp"
#include "app/worker_peers.hpp"

namespace culvert::app {

class WorkerOrders {
 public:
  struct Parts {
    unsigned workers;
    WorkerPeers& peers;
    proxy::Proxy& proxy;
    WorkerDns& dns;
    RuleNumbers& rules;
    PeerRoutes& routes;
    std::function<void()> stop;
  };

  // A new peer costs an X25519, the most that one of many orders may: some 0.1 ms.
  static constexpr int orders_a_turn = 4;

  explicit WorkerOrders(Parts parts) : parts_(std::move(parts)) {}
  ~WorkerOrders();

  void start(std::shared_ptr<ControlChannel> channel) { channel_ = std::move(channel); }
  void accept(std::string& line);  // takes it
  // At the end of a turn. True if more is to be done.
  bool run(base::Time now);

 private:
  static constexpr std::size_t most_waiting = 1 << 20;  // bytes; then nothing more is read
  static constexpr std::size_t flows_a_line = 64;

  struct Listing {  // an answer that goes out in parts
    std::uint64_t order = 0;
    std::vector<proxy::FlowRecord> flows;
    std::size_t sent = 0;
  };

  void carry_out_next(base::Time now);
  std::string carry_out(Order& order, base::Time now);
  void list_flows(std::uint64_t order, const ListFlows& what);
  void send_flows();
  void wipe_next() noexcept;

  Parts parts_;
  std::shared_ptr<ControlChannel> channel_;
  std::deque<std::string> lines_;
  std::size_t waiting_ = 0;  // bytes of lines_
  std::deque<Listing> listings_;
};

}  // namespace culvert::app
