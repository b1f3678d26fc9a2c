// ControlPlane: builds the parts that watch and change the running server and joins them.
//
//   counters -> LedgerBook -> controls, store, events        every second
//   rings    -> FlowRecorder -> flow log, IPFIX, ledger      four times a second
//            -> QueryRecorder -> query log, top names        four times a second
//   hours    -> DnsControls -> controls                      every second
//   Api over HttpServer, UapiServer                          on request
//   EventBus -> Webhooks; peers -> Admission -> LedgerBook   as it happens
//
//   [[dns.list]] -> DnsLists -> Server::use_rules           as they change
//
// The supervisor makes it before the workers start, so that quotas, rules and verdicts hold from
// the first packet on; it opens its doors after that, and closes it when the workers have ended.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/events.hpp"
#include "control/server.hpp"
#include "control/settings.hpp"
#include "control/state_store.hpp"

namespace culvert::control {

class ControlPlane final : public PeerObserver {
 public:
  // Where it can be reached; "" = not there.
  struct Doors {
    std::string local;              // path of the Unix socket
    std::string http;               // address and port
    bool http_is_asked_for = true;  // false: if it cannot be opened, that is a warning
    std::string uapi_directory, interface;
  };

  struct Parts {
    boost::asio::io_context& io;
    Server& server;
    EventBus& events;
    StateStore* store = nullptr;  // null: nothing persists
    Settings settings;
    Doors doors;
    std::size_t max_peers = 0;
    std::string state_dir;  // copies of lists and compiled rules; "" = they end with the server
    // Of Api: the file for a client.
    std::function<Outcome<std::string>(const Peer&)> client_file;
    // Runs first in a child process that is not a worker: wipes what it need not know.
    std::function<void()> in_child;
  };

  // Throws std::runtime_error in words for the operator. The peers of `server` are there.
  explicit ControlPlane(Parts parts);
  ~ControlPlane() override;

  void open();  // throws like the above
  // What changed of the settings at a reload; the names of those that wait for a restart.
  std::vector<std::string> configure(const Settings& settings);
  // In a child process that is a worker: it need not know the API's token and the hooks' secrets.
  void forget_secrets() noexcept;
  // After the workers have ended: counts and writes what is left.
  void close();

  void on_peer_added(const Peer& peer) override;
  void on_peer_connected(const Peer& peer) override;
  void on_peer_disconnected(const Peer& peer) override;
  void on_peer_left(std::uint32_t slot) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert::control
