// Reading starts here: Worker builds the parts of a tunnel endpoint and joins them.
//
//   UdpSocket -> Device::receive -> on_packet -> Proxy::input -> host sockets
//   host sockets -> Proxy -> its output -> Device::send -> UdpSocket
//
// Beside that way: a packet from client to client leaves at on_packet (overlay), and an initiation
// for another worker's peer leaves at on_misrouted; both may come in by the inbox.
#include "app/worker.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <stdexcept>
#include <unordered_map>

#include "app/client_config.hpp"
#include "app/control_channel.hpp"
#include "app/event_loop.hpp"
#include "app/host_addresses.hpp"
#include "app/limit_shares.hpp"
#include "app/overlay.hpp"
#include "app/peer_reports.hpp"
#include "app/sandbox.hpp"
#include "base/log.hpp"
#include "proxy/proxy.hpp"
#include "wg/device.hpp"
#include "wg/udp_socket.hpp"

namespace culvert::app {
namespace {

using Family = base::IpAddress::Family;

constexpr std::size_t datagrams_a_turn = 512;
constexpr std::size_t letters_a_turn = 128;
// A packet of a client with a larger MTU than ours still finds room.
constexpr std::size_t packet_room = 2048;
constexpr std::size_t max_packets = 32768;
constexpr std::size_t packets_kept = 512;
constexpr base::Duration trim_interval = std::chrono::seconds(5);

wg::Device::Config device_config(WorkerStart& start) {
  return {.private_key = std::move(start.config.private_key),
          .worker = start.index,
          .workers = start.workers,
          .mtu = start.config.mtu,
          .wall_clock = [] { return base::WallTime(std::chrono::system_clock::now()); }};
}

base::IpAddress own_address(const Config& config, Family family) {
  for (const Config::Address& each : config.address)
    if (each.address.family() == family) return each.address;
  return {};
}

netstack::Stack::Config stack_config(const Config& config) {
  netstack::Stack::Config stack;
  stack.mtu = config.mtu;
  stack.address4 = own_address(config, Family::v4);
  stack.address6 = own_address(config, Family::v6);
  stack.receive_window_max = config.receive_window_max;
  stack.send_buffer_max = config.send_buffer_max;
  stack.window_budget = config.window_budget;
  return stack;
}

std::vector<std::uint16_t> ports_in_use(const WorkerStart& start) {
  std::vector<std::uint16_t> ports;
  for (const auto& group : start.sockets.groups) ports.push_back(group.local.port);
  for (const auto& forward : start.forwards) ports.push_back(forward.entry.listen.port);
  if (const auto http = base::Endpoint::parse(start.config.http)) ports.push_back(http->port);
  return ports;
}

proxy::Proxy::Config proxy_config(const WorkerStart& start) {
  std::vector<base::Prefix> own = host_addresses();
  for (const Config::Address& each : start.config.address) own.push_back(each.network);
  return {.limits = limits_per_worker(start.config.limits, start.workers),
          .egress = start.config.egress,
          .own = std::move(own),
          .listen_ports = ports_in_use(start),
          .source4 = start.config.source4,
          .source6 = start.config.source6,
          .refuse_with_icmp = start.config.refuse_with_icmp,
          .stack = stack_config(start.config),
          .clock = {},
          .groups = start.shared.groups(),
          .records = &start.shared.records(start.index),
          .wall_clock = [] { return base::WallTime(std::chrono::system_clock::now()); }};
}

std::vector<base::IpAddress> own_addresses(const Config& config) {
  std::vector<base::IpAddress> own;
  for (const Config::Address& each : config.address) own.push_back(each.address);
  return own;
}

class Worker final : wg::Device::Events {
 public:
  explicit Worker(WorkerStart& start);
  ~Worker() override;
  void run(Descriptor control);

 private:
  void add_peers();
  void add_peer(std::uint32_t index);
  void add_forwards();
  void listen();
  void on_letter(const Letter& letter, base::MutableBytes body);
  void post(unsigned worker, const Letter& letter) noexcept;
  base::Time end_turn();

  void on_packet(wg::PeerId peer, base::Packet packet) noexcept override;
  void on_session(wg::PeerId peer) noexcept override;
  void on_session_lost(wg::PeerId peer) noexcept override;
  void on_endpoint(wg::PeerId peer, const wg::Path& path) noexcept override;
  void on_misrouted(unsigned owner, base::Bytes datagram, const wg::Path& from) noexcept override;

  WorkerStart& start_;
  base::WorkerCounters& counters_;
  EventLoop loop_;
  base::SystemRandom random_;
  base::PacketPool packets_;
  wg::UdpSocket udp_;
  wg::Device device_;
  std::optional<proxy::Proxy> proxy_;
  std::optional<Overlay> overlay_;
  std::unordered_map<std::uint32_t, std::uint32_t> peers_;  // PeerId to its place in the config
  PeerReports reports_;
  LetterReader letters_;
  std::shared_ptr<ControlChannel> control_;
  PeerReports::Send report_;
  base::Time next_trim_{};
  std::string sandbox_ = "off (server.sandbox)";
};

Worker::Worker(WorkerStart& start)
    : start_(start),
      counters_(start.shared.worker(start.index)),
      packets_(packet_room, max_packets),
      udp_(start.sockets.of(start.index, Family::v4), start.sockets.of(start.index, Family::v6),
           {.gso = start.config.gso, .gro = start.config.gro}, counters_),
      device_(device_config(start), udp_, *this, packets_, random_, counters_),
      reports_(start.config.peers.size()) {
  counters_.starts.add();
  counters_.packets_max.set(max_packets);
  reset_gauges(counters_);
  proxy::Proxy::Config flows = proxy_config(start);
  flows.clock = [this] { return loop_.now(); };
  proxy_.emplace(
      loop_.io(), std::move(flows),
      [this](const base::Pieces& packet) { device_.send(packet, loop_.now()); }, random_,
      counters_);
  if (start.config.overlay) overlay_.emplace(start.routes, own_addresses(start.config));
  add_peers();
  add_forwards();
  listen();
  if (start.config.sandbox) sandbox_ = enter_sandbox();
}

Worker::~Worker() {
  proxy_.reset();  // resets the clients' connections: they leave before the keys do
  udp_.flush();
}

void Worker::add_peers() {
  for (std::uint32_t i = 0; i < start_.config.peers.size(); ++i)
    if (wg::owner_of(start_.config.peers[i].public_key, start_.workers) == start_.index)
      add_peer(i);
  // What belongs to other workers' peers is not ours to know.
  for (PeerEntry& peer : start_.config.peers) peer.preshared_key.clear();
}

void Worker::add_peer(std::uint32_t index) {
  PeerEntry& entry = start_.config.peers[index];
  base::PeerCounters& counters = start_.shared.peer(index);
  reset_gauges(counters);
  const auto id = device_.add_peer({.public_key = entry.public_key,
                                    .preshared_key = std::move(entry.preshared_key),
                                    .allowed_ips = entry.allowed_ips,
                                    .endpoint = entry.endpoint,
                                    .persistent_keepalive = entry.persistent_keepalive},
                                   counters, loop_.now());
  if (!id) throw std::runtime_error(entry.place + ": peer " + entry.name + ": " + id.error());
  proxy::ClientConfig client = client_config(entry);
  client.slot = index;
  client.controls = &start_.shared.controls(index);
  proxy_->add_client(std::move(client), counters, loop_.now());
  peers_.emplace(id->value, index);

  const PeerMemory& memory = start_.peers[index];
  if (memory.path) {
    reports_.moved(index, *memory.path);
    device_.set_path(*id, *memory.path, memory.up, loop_.now());
  }
}

void Worker::add_forwards() {
  for (const ForwardSocket& forward : start_.forwards)
    if (forward.worker == start_.index)
      proxy_->add_forward({forward.socket.get(), forward.entry.protocol, forward.entry.to});
}

void Worker::listen() {
  for (const auto& group : start_.sockets.groups) {
    const int fd = group.sockets[start_.index].get();
    loop_.on_readable(fd, [this, fd] {
      udp_.receive(fd, datagrams_a_turn, [this](base::MutableBytes datagram, const wg::Path& from) {
        device_.receive(datagram, from, loop_.now());
      });
    });
  }
  const int inbox = start_.inboxes.read_ends[start_.index].get();
  loop_.on_readable(inbox, [this, inbox] {
    letters_.read(inbox, letters_a_turn, [this](const Letter& letter, base::MutableBytes body) {
      on_letter(letter, body);
    });
  });
}

void Worker::run(Descriptor control) {
  control_ = ControlChannel::start(
      loop_.io(), std::move(control),
      [this](const ControlMessage& message) {
        if (std::holds_alternative<Stop>(message)) loop_.stop();
      },
      [this] { loop_.stop(); });
  report_ = [this](const ControlMessage& message) { return control_->send(message); };
  control_->send(Ready{udp_.gso_state(), udp_.gro_state(), sandbox_});
  loop_.run([this] { return end_turn(); }, counters_);
}

base::Time Worker::end_turn() {
  const base::Time now = loop_.now();
  if (device_.next_deadline() <= now) device_.tick(now);
  if (proxy_->next_deadline() <= now) proxy_->tick(now);
  proxy_->flush(now);
  udp_.flush();
  reports_.flush(report_, now);
  counters_.packets_in_use.set(packets_.in_use());
  if (now >= next_trim_) {
    packets_.trim(packets_kept);
    next_trim_ = now + trim_interval;
  }
  return std::min({device_.next_deadline(), proxy_->next_deadline(), reports_.next_deadline()});
}

void Worker::on_packet(wg::PeerId peer, base::Packet packet) noexcept {
  // A client that is stopped neither gets nor sends past the proxy, which tells a sender why.
  if (overlay_ && !proxy_->may_receive(packet.bytes())) return;
  if (overlay_ && !proxy_->may_send(packet.bytes()))
    return proxy_->input(std::move(packet), loop_.now());
  if (overlay_) {
    if (const auto route = overlay_->take(packet.bytes(), peers_.find(peer.value)->second)) {
      if (route->worker == start_.index)
        device_.send(base::Pieces(packet.bytes()), loop_.now());
      else
        post(route->worker, {Letter::Kind::packet, {}, packet.bytes()});
      return;
    }
  }
  proxy_->input(std::move(packet), loop_.now());
}

void Worker::on_session(wg::PeerId peer) noexcept {
  const std::uint32_t index = peers_.find(peer.value)->second;
  if (!reports_.path_of(index))
    if (const auto endpoint = device_.status(peer).endpoint)
      reports_.moved(index, {.remote = *endpoint, .local = {}, .interface = 0});
  reports_.up(index);
}

void Worker::on_session_lost(wg::PeerId peer) noexcept {
  reports_.down(peers_.find(peer.value)->second);
}

void Worker::on_endpoint(wg::PeerId peer, const wg::Path& path) noexcept {
  reports_.moved(peers_.find(peer.value)->second, path);
}

void Worker::on_misrouted(unsigned owner, base::Bytes datagram, const wg::Path& from) noexcept {
  post(owner, {Letter::Kind::initiation, from, datagram});
}

void Worker::post(unsigned worker, const Letter& letter) noexcept {
  if (!post_letter(start_.inboxes.write_ends[worker].get(), letter))
    counters_.drops.add(base::Drop::outbox_full);
}

void Worker::on_letter(const Letter& letter, base::MutableBytes body) {
  if (letter.kind == Letter::Kind::initiation)
    device_.receive(body, letter.from, loop_.now());
  else if (proxy_->may_receive(body))
    device_.send(base::Pieces(body), loop_.now());
}

}  // namespace

int run_worker(WorkerStart start) noexcept try {
  try {
    Worker worker(start);
    worker.run(std::move(start.control));
    return 0;
  } catch (const std::exception& error) {
    const std::string line = to_line(Failed{error.what()});
    if (start.control)
      ::send(start.control.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    else  // it had started
      base::log::error("{}", error.what());
    return 1;
  }
} catch (...) {
  return 1;
}

}  // namespace culvert::app
