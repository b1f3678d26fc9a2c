// Reading starts here: Worker builds the parts of a tunnel endpoint and joins them.
//
//   UdpSocket -> Device::receive -> on_packet -> Proxy::input -> host sockets
//   host sockets -> Proxy -> its output -> Device::send -> UdpSocket
//   port 53 -> Proxy -> WorkerDns' resolver -> Proxy -> its output
//
// Beside that way: a packet from client to client leaves at on_packet (overlay), and an initiation
// for another worker's peer leaves at on_misrouted; both may come in by the inbox.
#include "app/worker.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <stdexcept>

#include "app/control_channel.hpp"
#include "app/event_loop.hpp"
#include "app/host_addresses.hpp"
#include "app/limit_shares.hpp"
#include "app/overlay.hpp"
#include "app/peer_reports.hpp"
#include "app/sandbox.hpp"
#include "app/worker_dns.hpp"
#include "app/worker_orders.hpp"
#include "base/log.hpp"
#include "proxy/proxy.hpp"
#include "wg/device.hpp"
#include "wg/udp_socket.hpp"

namespace culvert::app {
namespace {

using Family = base::IpAddress::Family;

constexpr std::size_t letters_a_turn = 128;
// A packet of a client with a larger MTU than ours still finds room.
constexpr std::size_t packet_room = 2048;
constexpr std::size_t max_packets = 32768;
constexpr std::size_t packets_kept = 512;
constexpr base::Duration trim_interval = std::chrono::seconds(5);

wg::Device::Config device_config(WorkerStart& start) {
  return {.private_key = std::move(start.runtime.config->private_key),
          .worker = start.index,
          .workers = start.runtime.workers,
          .mtu = start.runtime.config->mtu,
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

std::vector<std::uint16_t> ports_in_use(const Runtime& runtime) {
  std::vector<std::uint16_t> ports;
  for (const auto& group : runtime.sockets.groups) ports.push_back(group.local.port);
  for (const auto& forward : runtime.forwards) ports.push_back(forward.entry.listen.port);
  if (const auto http = base::Endpoint::parse(runtime.config->http)) ports.push_back(http->port);
  return ports;
}

proxy::Proxy::Config proxy_config(const WorkerStart& start) {
  Runtime& runtime = start.runtime;
  const Config& config = *runtime.config;
  std::vector<base::Prefix> own = host_addresses();
  for (const Config::Address& each : config.address) own.push_back(each.network);
  return {.limits = limits_per_worker(config.limits, runtime.workers),
          .egress = config.egress,
          .own = std::move(own),
          .listen_ports = ports_in_use(runtime),
          .source4 = config.source4,
          .source6 = config.source6,
          .refuse_with_icmp = config.refuse_with_icmp,
          .stack = stack_config(config),
          .clock = {},
          .groups = runtime.shared.groups(),
          .records = &runtime.shared.records(start.index),
          .active_timeout = config.control.accounting.active_timeout,
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
  void run(base::FileDescriptor control);

 private:
  void add_peers();
  void add_forwards();
  void listen();
  void on_letter(const Letter& letter, base::MutableBytes body);
  void post(unsigned worker, const Letter& letter) noexcept;
  base::Time end_turn();
  void take_datagrams() noexcept;

  void on_packet(wg::PeerId peer, base::Packet packet) noexcept override;
  void on_session(wg::PeerId peer) noexcept override;
  void on_session_lost(wg::PeerId peer) noexcept override;
  void on_endpoint(wg::PeerId peer, const wg::Path& path) noexcept override;
  void on_misrouted(unsigned owner, base::Bytes datagram, const wg::Path& from) noexcept override;

  const unsigned index_;
  Runtime& runtime_;
  base::WorkerCounters& counters_;
  EventLoop loop_;
  base::SystemRandom random_;
  base::PacketPool packets_;
  wg::UdpSocket udp_;
  wg::Device device_;
  std::optional<proxy::Proxy> proxy_;
  std::optional<WorkerDns> dns_;
  std::optional<Overlay> overlay_;
  PeerReports reports_;
  std::optional<WorkerPeers> peers_;
  std::optional<WorkerOrders> orders_;
  LetterReader letters_;
  std::shared_ptr<ControlChannel> control_;
  PeerReports::Send report_;
  base::Time next_trim_{};
  bool datagrams_wait_ = false;  // more than the turn had time for
  std::string sandbox_ = "off (server.sandbox)";
};

Worker::Worker(WorkerStart& start)
    : index_(start.index),
      runtime_(start.runtime),
      counters_(runtime_.shared.worker(index_)),
      packets_(packet_room, max_packets),
      udp_(runtime_.sockets.of(index_, Family::v4), runtime_.sockets.of(index_, Family::v6),
           {.gso = runtime_.config->gso, .gro = runtime_.config->gro}, counters_),
      device_(device_config(start), udp_, *this, packets_, random_, counters_),
      reports_(runtime_.registry.size()) {
  counters_.starts.add();
  counters_.packets_max.set(max_packets);
  reset_gauges(counters_);
  proxy::Proxy::Config flows = proxy_config(start);
  flows.clock = [this] { return loop_.now(); };
  proxy_.emplace(
      loop_.io(), std::move(flows),
      [this](const base::Pieces& packet) { device_.send(packet, loop_.now()); }, random_,
      counters_);
  if (runtime_.config->overlay)
    overlay_.emplace(runtime_.registry.routes(), own_addresses(*runtime_.config));
  dns_.emplace(WorkerDns::Parts{.index = index_,
                                .runtime = runtime_,
                                .loop = loop_,
                                .random = random_,
                                .proxy = *proxy_,
                                .tables = std::move(start.tables)});
  peers_.emplace(runtime_.shared, runtime_.numbers.egress, device_, *proxy_, *dns_, reports_);
  orders_.emplace(WorkerOrders::Parts{runtime_.workers, *peers_, *proxy_, *dns_,
                                      runtime_.numbers.egress, runtime_.registry.routes(),
                                      [this] { loop_.stop(); }});
  add_peers();
  add_forwards();
  listen();
  if (runtime_.config->sandbox) sandbox_ = enter_sandbox();
}

Worker::~Worker() {
  dns_.reset();    // its sockets are waited for by the proxy
  proxy_.reset();  // resets the clients' connections: they leave before the keys do
  udp_.flush();
}

void Worker::add_peers() {
  Registry& registry = runtime_.registry;
  for (const control::Peer* each : registry.peers()) {
    PeerEntry& entry = registry.at(each->slot)->entry;
    AddPeer order = add_order(each->slot, entry, runtime_.numbers);
    entry.preshared_key.clear();
    if (each->worker != index_) continue;  // what belongs to another's peer is not ours to know
    if (const std::string error = peers_->add(std::move(order), loop_.now()); !error.empty())
      throw std::runtime_error(entry.place + ": peer " + entry.name + ": " + error);
    peers_->resume(each->slot, registry.memory(each->slot), loop_.now());
  }
}

void Worker::add_forwards() {
  for (const ForwardSocket& forward : runtime_.forwards)
    if (forward.worker == index_)
      proxy_->add_forward({forward.socket.get(), forward.entry.protocol, forward.entry.to});
}

void Worker::listen() {
  for (const auto& group : runtime_.sockets.groups) {
    const int fd = group.sockets[index_].get();
    loop_.on_readable(fd, [this, fd] {
      udp_.fetch(fd, [this](base::Bytes datagram) { return device_.sender_of(datagram); });
      take_datagrams();
    });
  }
  const int inbox = runtime_.inboxes.read_ends[index_].get();
  loop_.on_readable(inbox, [this, inbox] {
    letters_.read(inbox, letters_a_turn, [this](const Letter& letter, base::MutableBytes body) {
      on_letter(letter, body);
    });
  });
}

void Worker::run(base::FileDescriptor control) {
  control_ = ControlChannel::start(
      loop_.io(), std::move(control), ControlChannel::to_supervisor,
      [this](std::string& line) { return orders_->accept(line), true; }, [this] { loop_.stop(); });
  orders_->start(control_);
  report_ = [this](const ControlMessage& message) { return control_->send(to_line(message)); };
  report_(Ready{udp_.gso_state(), udp_.gro_state(), sandbox_});
  loop_.run([this] { return end_turn(); }, counters_);
}

base::Time Worker::end_turn() {
  const base::Time now = loop_.now();
  const bool more_orders = orders_->run(now);
  if (device_.next_deadline() <= now) device_.tick(now);
  if (proxy_->next_deadline() <= now) proxy_->tick(now);
  if (dns_->resolver().next_deadline() <= now) dns_->resolver().tick(now);
  if (datagrams_wait_) take_datagrams();
  if (datagrams_wait_) loop_.do_not_sleep();
  proxy_->flush(now);
  udp_.flush();
  reports_.flush(report_, now);
  counters_.packets_in_use.set(packets_.in_use());
  if (now >= next_trim_) {
    packets_.trim(packets_kept);
    next_trim_ = now + trim_interval;
  }
  if (more_orders) return now;
  return std::min({device_.next_deadline(), proxy_->next_deadline(),
                   dns_->resolver().next_deadline(), reports_.next_deadline()});
}

// What has come, and what earlier turns left. Nobody's flood lengthens the turn.
void Worker::take_datagrams() noexcept {
  const auto take = [this](base::MutableBytes datagram, const wg::Path& from) {
    device_.receive(datagram, from, loop_.now());
  };
  if (udp_.senders_waiting() > 1) loop_.shorten_turns();
  datagrams_wait_ = udp_.hand_out(take, [this] { return !loop_.turn_is_long(); });
}

void Worker::on_packet(wg::PeerId peer, base::Packet packet) noexcept {
  // A client that is stopped neither gets nor sends past the proxy, which tells a sender why.
  if (overlay_ && !proxy_->may_receive(packet.bytes())) return;
  if (overlay_ && !proxy_->may_send(packet.bytes()))
    return proxy_->input(std::move(packet), loop_.now());
  if (overlay_) {
    if (const auto route = overlay_->take(packet.bytes(), peers_->slot_of(peer))) {
      if (route->worker == index_)
        device_.send(base::Pieces(packet.bytes()), loop_.now());
      else
        post(route->worker, {Letter::Kind::packet, {}, packet.bytes()});
      return;
    }
  }
  proxy_->input(std::move(packet), loop_.now());
}

void Worker::on_session(wg::PeerId peer) noexcept {
  const std::uint32_t index = peers_->slot_of(peer);
  if (!reports_.path_of(index))
    if (const auto endpoint = device_.status(peer).endpoint)
      reports_.moved(index, {.remote = *endpoint, .local = {}, .interface = 0});
  reports_.up(index);
}

void Worker::on_session_lost(wg::PeerId peer) noexcept {
  reports_.down(peers_->slot_of(peer));
}

void Worker::on_endpoint(wg::PeerId peer, const wg::Path& path) noexcept {
  reports_.moved(peers_->slot_of(peer), path);
}

void Worker::on_misrouted(unsigned owner, base::Bytes datagram, const wg::Path& from) noexcept {
  post(owner, {Letter::Kind::initiation, from, datagram});
}

void Worker::post(unsigned worker, const Letter& letter) noexcept {
  if (!post_letter(runtime_.inboxes.write_ends[worker].get(), letter))
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
