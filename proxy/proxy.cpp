#include "proxy/proxy.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>

#include "base/headers.hpp"
#include "proxy/context.hpp"
#include "proxy/echo_flow.hpp"
#include "proxy/forward.hpp"
#include "proxy/portal.hpp"
#include "proxy/tcp_flow.hpp"
#include "proxy/udp_flow.hpp"

namespace culvert::proxy {

using netstack::IcmpError;

struct Proxy::Impl final : netstack::Stack::Events {
  Impl(boost::asio::io_context& io, Config config, Output out, base::Random& random,
       base::WorkerCounters& counters)
      : context(io, std::move(config), counters, base::Time{}),
        send(std::move(out)),
        stack(context.config.stack, *this, random, counters),
        portal(context) {
    context.stack = &stack;
  }
  ~Impl() override {
    for (const auto& listener : forwards) listener->stop();
    context.table.close_all();
  }

  // ---- the dispatch: what a client asks for, and who carries it

  void on_syn(netstack::PendingSyn syn) noexcept override {
    const base::FlowKey& key = syn.key();
    ClientState* client = context.table.find_client(key.client.address);
    if (client && portal.takes(*client, key)) return portal.accept(*client, std::move(syn));
    const bool stopped = client && client->gate.stopped != base::Stop::none;
    if (client && !stopped && context.dns.takes(*client, key))
      return context.dns.accept(*client, std::move(syn));
    if (stack.is_own(key.server.address)) return syn.reset();
    if (!client) return context.counters.drops.add(base::Drop::unknown_client);
    if (stopped) {
      context.deny(*client, base::Drop::client_stopped);
      return syn.reset();  // at once, whatever the client thinks of ICMP
    }
    if (const auto refused = context.table.admit_tcp(*client, context.now()))
      return context.deny(*client, *refused);
    if (const auto refused =
            context.refuses(*client, key.server, base::Protocol::tcp, Context::Opening::anew))
      return *refused == IcmpError::port_unreachable ? syn.reset() : syn.reject(*refused);
    TcpFlow::dial(context, *client, std::move(syn));
  }

  void on_udp(const netstack::UdpDatagram& datagram) noexcept override {
    if (has_udp_forwards)
      if (Flow* flow = context.table.find(datagram.key))
        return static_cast<ForwardFlow*>(flow)->to_remote(datagram);
    ClientState* client = context.table.find_client(datagram.key.client.address);
    if (client && client->gate.stopped != base::Stop::none)
      return on_stopped_udp(*client, datagram);
    if (client && context.dns.takes(*client, datagram.key))
      return context.dns.ask(*client, datagram);
    if (stack.is_own(datagram.key.server.address))
      return stack.send_icmp_error(IcmpError::port_unreachable, datagram.packet);
    if (!client) return context.counters.drops.add(base::Drop::unknown_client);
    UdpFlow::carry(context, *client, datagram);
  }

  void on_stopped_udp(ClientState& client, const netstack::UdpDatagram& datagram) noexcept {
    if (portal.takes(client, datagram.key)) return portal.answer(datagram);
    context.deny(client, base::Drop::client_stopped);
    stack.send_icmp_error(IcmpError::prohibited, datagram.packet);
  }

  void on_echo(const netstack::EchoRequest& request) noexcept override {
    ClientState* client = context.table.find_client(request.key.client.address);
    if (!client) return context.counters.drops.add(base::Drop::unknown_client);
    if (client->gate.stopped != base::Stop::none) {
      context.deny(*client, base::Drop::client_stopped);
      return stack.send_icmp_error(IcmpError::prohibited, request.packet);
    }
    EchoFlow::carry(context, *client, request);
  }

  // The client closed the port: without our socket the host answers the origin as the client would.
  void on_client_refused(const base::FlowKey& key) noexcept override {
    Flow* flow = context.table.find(UdpFlow::mapping_key(key.client));
    if (!flow) flow = context.table.find(key);
    if (flow) flow->close();
  }

  void output(const base::Pieces& packet) noexcept override {
    ClientState* client = client_at(packet[0], false);
    if (!client || context.gate.lets_out(*client)) send(packet);
  }

  // Whose packet is it? By its source if it came in, else by its destination. The first piece holds
  // the IP header.
  ClientState* client_at(base::Bytes packet, bool came_in) noexcept {
    if (packet.size() < 20) return nullptr;
    const bool v4 = std::to_integer<unsigned>(packet[0]) >> 4 == 4;
    if (v4) return context.table.client_of(base::load_be32(&packet[came_in ? 12 : 16]));
    if (packet.size() < 40) return nullptr;
    return context.table.client_of(
        base::IpAddress::v6(came_in ? packet.subspan<8, 16>() : packet.subspan<24, 16>()));
  }

  void flush() noexcept {
    stack.deliver(context.now());
    context.dns.serve();
    if (context.dns.resolver()) context.dns.resolver()->flush();
    context.flush_datagrams();
    while (!context.table.dirty_tcp.empty()) {
      Flow& flow = context.table.dirty_tcp.front();
      context.table.dirty_tcp.pop_front();
      flow.on_turn();
    }
    serve_turns();
    stack.flush(context.now());
    context.gate.run_due();
    context.table.collect();
    portal.collect();
    context.dns.collect();
    context.poller.arm();
  }

  // Up first: a host that refuses is read at once.
  void serve_turns() noexcept {
    Shaper& shaper = context.shaper;
    for (const auto ring : {Shaper::Ring::up, Shaper::Ring::datagrams, Shaper::Ring::down})
      shaper.serve(ring, context.now());
    if (shaper.is_backlogged()) boost::asio::post(context.io, [] {});  // the loop must not sleep
  }

  Context context;
  Output send;
  netstack::Stack stack;
  Portal portal;
  std::vector<std::shared_ptr<ForwardListener>> forwards;
  bool has_udp_forwards = false;
};

Proxy::Proxy(boost::asio::io_context& io, Config config, Output output, base::Random& random,
             base::WorkerCounters& counters)
    : impl_(std::make_unique<Impl>(io, std::move(config), std::move(output), random, counters)) {}

Proxy::~Proxy() = default;

Client& Proxy::add_client(ClientConfig config, base::PeerCounters& counters, base::Time now) {
  ClientState& client = impl_->context.table.add_client(std::move(config), counters, now);
  impl_->context.gate.add(client);
  return client;
}

void Proxy::remove_client(Client& client) noexcept {
  impl_->portal.forget(static_cast<ClientState&>(client));
  impl_->context.dns.forget(static_cast<ClientState&>(client));
  impl_->context.table.remove_client(static_cast<ClientState&>(client));
  impl_->stack.flush(impl_->context.now());
}

void Proxy::update_client(Client& client, ClientConfig config) {
  auto& state = static_cast<ClientState&>(client);
  impl_->context.table.update_client(state, std::move(config), impl_->context.now());
  FlowTable::apply_policy(state);
  impl_->stack.flush(impl_->context.now());
  impl_->context.table.collect();
}

void Proxy::update_policy(EgressRules global, Limits limits) {
  Context& context = impl_->context;
  context.config.egress = std::move(global);
  context.config.limits = limits;
  context.policy =
      EgressPolicy(context.config.egress, context.config.own, context.config.listen_ports);
  context.table.set_limits(limits, context.now());
  context.table.each_client([](ClientState& client) { FlowTable::apply_policy(client); });
  impl_->stack.flush(context.now());
  context.table.collect();
}

Client* Proxy::find_client_by_slot(std::uint32_t slot) const noexcept {
  Client* found = nullptr;
  impl_->context.table.each_client([&](ClientState& client) {
    if (client.config.slot == slot) found = &client;
  });
  return found;
}

base::SocketPoller& Proxy::poller() noexcept {
  return impl_->context.poller;
}

dns::Resolver::Events& Proxy::dns_answers() noexcept {
  return impl_->context.dns;
}

void Proxy::serve_dns(dns::Resolver& resolver, dns::DnsCounters& counters,
                      const dns::Settings& settings) {
  impl_->context.dns.open(resolver, counters, settings);
}

void Proxy::update_dns(const dns::Settings& settings) {
  impl_->context.dns.set_settings(settings);
}

void Proxy::list_flows(const EachRecord& each) const {
  impl_->context.table.each_client([&](ClientState& client) { list_flows(client, each); });
}

void Proxy::list_flows(const Client& client, const EachRecord& each) const {
  FlowTable::each_flow(static_cast<const ClientState&>(client),
                       [&](const Flow& flow) { flow.each_record(each); });
}

void Proxy::add_forward(Forward forward) {
  auto listener = std::make_shared<ForwardListener>(impl_->context, forward);
  impl_->forwards.push_back(listener);
  if (forward.protocol == base::Protocol::udp) impl_->has_udp_forwards = true;
  listener->start();
}

void Proxy::input(base::Packet packet, base::Time now) noexcept {
  impl_->context.set_now(now);
  if (ClientState* client = impl_->client_at(packet.bytes(), true))
    impl_->context.gate.on_input(*client);
  impl_->stack.input(std::move(packet), now);
}

bool Proxy::may_send(base::Bytes packet) noexcept {
  ClientState* client = impl_->client_at(packet, true);
  if (!client) return true;
  impl_->context.gate.on_input(*client);
  return client->gate.stopped == base::Stop::none;
}

bool Proxy::may_receive(base::Bytes packet) noexcept {
  ClientState* client = impl_->client_at(packet, false);
  return !client || impl_->context.gate.lets_in(*client);
}

void Proxy::flush(base::Time now) noexcept {
  impl_->context.set_now(now);
  impl_->flush();
}

void Proxy::tick(base::Time now) noexcept {
  impl_->context.set_now(now);
  impl_->context.table.run_deadlines(now);
  impl_->context.gate.tick(now);
  impl_->stack.tick(now);
}

base::Time Proxy::next_deadline() const noexcept {
  const Context& context = impl_->context;
  return std::min({context.table.next_deadline(), context.shaper.next_deadline(),
                   context.gate.next_deadline(), impl_->stack.next_deadline()});
}

bool Proxy::echo_available(std::string* why) {
  const FileDescriptor socket =
      open_socket(base::IpAddress::any(base::IpAddress::Family::v4), SOCK_DGRAM, IPPROTO_ICMP);
  if (!socket && why)
    *why = std::string("ICMP socket: ") + std::strerror(errno) +
           "; net.ipv4.ping_group_range must hold a group of this process";
  return bool(socket);
}

}  // namespace culvert::proxy
