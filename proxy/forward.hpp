// Port forwards: a host listen socket whose connections and datagrams go to a client.
//
// The client sees the remote's own address and port, so that its logs are true. Where that cannot
// be (another IP version, or a remote that is this host and whose address means the client itself),
// it sees the tunnel address and a port of ours.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <map>
#include <memory>

#include "proxy/flow.hpp"
#include "proxy/flow_reporter.hpp"
#include "proxy/flow_table.hpp"
#include "proxy/host_socket.hpp"
#include "proxy/proxy.hpp"
#include "proxy/udp_batch.hpp"

namespace culvert::proxy {

class ForwardFlow;

// One listen socket. Lives as long as the Proxy; the descriptor is not its own.
class ForwardListener final : public Timed, public std::enable_shared_from_this<ForwardListener> {
 public:
  ForwardListener(Context& context, const Forward& forward);
  ~ForwardListener() override;

  void start() noexcept;
  void stop() noexcept;
  base::Time on_deadline(base::Time now) noexcept override;

  // A datagram of the client's that answers a remote, from the address `local` that it asked.
  bool send_to_remote(const base::Endpoint& remote, const base::IpAddress& local,
                      base::Bytes payload) noexcept;
  void forget(const base::Endpoint& remote) noexcept { flows_.erase(remote); }

 private:
  void wait_readable() noexcept;
  bool accept_connections() noexcept;  // false: out of descriptors, pause
  bool accept_one(FileDescriptor accepted, const base::Endpoint& remote) noexcept;
  void receive_datagrams() noexcept;
  void ask_for_addresses() noexcept;
  void deliver(const UdpReceiver::Received& received) noexcept;
  ForwardFlow* open_flow(const base::Endpoint& remote) noexcept;
  // What the client is to see as the other end.
  base::Endpoint seen_as(const base::Endpoint& remote) noexcept;

  Context& context_;
  const Forward forward_;
  bool is_ipv6_ = false;
  std::uint16_t next_port_ = 20000;
  std::map<base::Endpoint, ForwardFlow*> flows_;  // UDP, by remote
  boost::asio::posix::stream_descriptor socket_;
};

// The datagrams between one remote and the client.
class ForwardFlow final : public Flow {
 public:
  ForwardFlow(Context& context, ClientState& client, std::shared_ptr<ForwardListener> listener,
              const base::FlowKey& key, const base::Endpoint& remote) noexcept;

  void to_client(const UdpReceiver::Received& received) noexcept;
  void to_remote(const netstack::UdpDatagram& datagram) noexcept;

  void close() noexcept override;
  void on_turn() noexcept override {}
  void on_ready(std::uint32_t) noexcept override {}  // the listener owns the socket
  base::Time on_deadline(base::Time now) noexcept override;
  void on_policy() noexcept override;
  void each_record(const Proxy::EachRecord& each) const override;

 private:
  FlowRecord record(FlowRecord::End end) const noexcept;

  std::shared_ptr<ForwardListener> listener_;
  const base::FlowKey key_;
  const base::Endpoint remote_;
  base::IpAddress local_;  // that the remote asked last
  bool closed_ = false;
  FlowTally tally_;
};

}  // namespace culvert::proxy
