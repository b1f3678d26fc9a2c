// What limits and accounting cost per packet, through the whole proxy and real loopback sockets.
//
//   bench_limits [PACKETS] [REPEATS]    packets for each figure, and how many times; medians count
//
// "bare": a client without controls, and no flow records. "counted": controls and a group without
// a limit, flow records. "limited": the client and its group have limits and ceilings that are
// never reached, so that every turn, every datagram and every chunk of the group's bandwidth goes
// through all of it and nothing waits. Eight TCP flows in both directions, eight UDP mappings in
// both. Nanoseconds of CPU per data packet (the kernel's part of the sockets included, the
// tunnel's AEAD not), and what it is above "bare". The three take turns, so that a busy machine
// harms them alike.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/headers.hpp"
#include "base/packet.hpp"
#include "base/random.hpp"
#include "proxy/host_socket.hpp"
#include "proxy/proxy.hpp"

using namespace culvert;
using proxy::FileDescriptor;

namespace {

constexpr std::size_t flow_count = 8;
constexpr std::size_t segment_size = 1380, datagram_size = 1200;
const std::vector<std::byte> lent(1 << 20, std::byte{42});

// Of this thread: a busy machine must not count.
base::Duration cpu_time() {
  timespec ts{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec);
}

enum Mode { bare, counted, limited, mode_count };
constexpr const char* mode_names[] = {"bare", "counted", "limited"};
enum Work { tcp_down, tcp_up, udp_down, udp_up, work_count };
constexpr const char* work_names[] = {"TCP down", "TCP up", "UDP down", "UDP up"};

base::Endpoint local_of(int fd) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
  return base::Endpoint::from_sockaddr(bound);
}

struct Flow {
  FileDescriptor remote;
  std::uint32_t next = 1000, expected = 0;
  bool news = false;
};

class Rig {
 public:
  explicit Rig(Mode mode)
      : mode_(mode),
        proxy_(
            io_, config(), [this](const base::Pieces& packet) { take(packet); }, random_,
            *counters_) {
    proxy_.tick(now_);
    set_controls();
    proxy::ClientConfig client;
    client.addresses = {*base::Prefix::parse("10.8.0.2/32")};
    client.controls = mode == bare ? nullptr : &controls_;
    proxy_.add_client(client, *peer_, now_);
    listen();
    open_flows();
  }

  double measure(Work work, std::size_t packets) {
    turn(work);
    spent_ = {}, packets_ = 0;
    while (packets_ < packets) turn(work);
    return double(spent_.count()) / double(packets_);
  }

 private:
  proxy::Proxy::Config config() {
    proxy::Proxy::Config c;
    c.egress.allow.push_back(proxy::EgressRule::parse("127.0.0.0/8").value());
    c.stack.address4 = base::IpAddress::v4(0x0a080001u);
    c.clock = [this] { return now_; };
    c.wall_clock = [] { return base::WallTime(); };
    if (mode_ != bare) c.groups = *groups_, c.records = records_.get();
    return c;
  }

  void set_controls() {
    controls_.group.set(1);
    if (mode_ != limited) return;
    constexpr std::uint64_t never_reached = 1'000'000'000'000;
    controls_.up.set(never_reached), controls_.down.set(never_reached);
    controls_.ceiling.set(~std::uint64_t{0});
    base::GroupControls& group = groups_->front();
    group.up.set(never_reached), group.down.set(never_reached);
    group.ceiling.set(~std::uint64_t{0});
  }

  void listen() {
    const base::Endpoint any{base::IpAddress::v4(0x7f000001u), 0};
    proxy::bind_to(tcp_.get(), any), proxy::bind_to(udp_.get(), any);
    ::listen(tcp_.get(), 64);
    const int room = 8 << 20;
    ::setsockopt(udp_.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    local_of_tcp_ = local_of(tcp_.get()), local_of_udp_ = local_of(udp_.get());
  }

  void open_flows() {
    for (std::size_t i = 0; i < flow_count; ++i) {
      send_tcp(i, 2, {});
      for (int tries = 0; tries < 1000 && flows_[i].expected == 0; ++tries) run_turn();
      send_tcp(i, 16, {});
      flows_[i].remote = FileDescriptor(::accept4(tcp_.get(), nullptr, nullptr, SOCK_NONBLOCK));
      if (!flows_[i].remote) std::fprintf(stderr, "no connection\n"), std::exit(1);
      send_udp(i);
      run_turn();
      std::byte data[datagram_size];
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      ::recvfrom(udp_.get(), data, sizeof data, 0, reinterpret_cast<sockaddr*>(&from), &size);
      mappings_[i] = from;
    }
  }

  void run_turn() {
    io_.restart();
    io_.poll();
    proxy_.flush(now_);
  }

  void turn(Work work) {
    prepare(work);
    const base::Duration start = cpu_time();
    if (work == tcp_up || work == udp_up) {
      for (std::size_t i = 0; i < flow_count; ++i)
        for (int n = 0; n < 16; ++n)
          work == tcp_up ? send_tcp(i, 16, base::Bytes(lent).first(segment_size)) : send_udp(i);
      packets_ += flow_count * 16;
    }
    run_turn();
    for (std::size_t i = 0; i < flow_count; ++i)
      if (std::exchange(flows_[i].news, false)) send_tcp(i, 16, {});
    if (proxy_.next_deadline() <= now_) proxy_.tick(now_);
    proxy_.flush(now_);
    spent_ += cpu_time() - start;
    clean_up(work);
    now_ += std::chrono::milliseconds(1);
  }

  // What the origin sends before the turn.
  void prepare(Work work) {
    for (std::size_t i = 0; i < flow_count; ++i) {
      if (work == tcp_down)
        ::send(flows_[i].remote.get(), lent.data(), 16 * segment_size, MSG_DONTWAIT);
      for (int n = 0; work == udp_down && n < 16; ++n)
        ::sendto(udp_.get(), lent.data(), datagram_size, MSG_DONTWAIT,
                 reinterpret_cast<const sockaddr*>(&mappings_[i]), sizeof(sockaddr_in));
    }
  }

  // What the origin takes behind it.
  void clean_up(Work work) {
    static std::byte sink[1 << 18];
    if (work == tcp_up)
      for (Flow& flow : flows_)
        while (::recv(flow.remote.get(), sink, sizeof sink, MSG_DONTWAIT) > 0) {
        }
    if (work == udp_up)
      while (::recv(udp_.get(), sink, sizeof sink, MSG_DONTWAIT) > 0) {
      }
  }

  void take(const base::Pieces& packet) {
    std::array<std::byte, 40> head{};
    packet.copy_to(base::MutableBytes(head).first(std::min<std::size_t>(packet.size(), 40)));
    if (head[9] == std::byte{17}) return void(++packets_);
    if (head[9] != std::byte{6}) return;
    Flow& flow = flows_[std::size_t(base::load_be16(&head[22]) - first_port)];
    const std::size_t size = packet.size() - 20 - std::to_integer<std::size_t>(head[32] >> 4) * 4;
    const bool syn = (head[33] & std::byte{2}) != std::byte{0};
    if (size == 0 && !syn) return;
    flow.expected = base::load_be32(&head[24]) + std::uint32_t(syn ? 1 : size);
    flow.news = !syn;
    packets_ += !syn;
  }

  std::byte* start_packet(std::uint8_t protocol, const base::Endpoint& to, std::size_t size,
                          base::Packet& packet) {
    packet.resize(20 + size);
    base::IpHeaderSpec spec;
    spec.source = base::IpAddress::v4(0x0a080002u);
    spec.destination = to.address;
    spec.protocol = protocol;
    std::array<std::byte, base::max_ip_header> ip;
    base::build_ip_header(spec, size, ip);
    std::copy_n(ip.begin(), 20, packet.data());
    return packet.data() + 20;
  }

  void send_tcp(std::size_t flow, std::uint8_t flags, base::Bytes payload) {
    const bool syn = (flags & 2) != 0;
    const std::size_t header = syn ? 28 : 20;
    const base::Endpoint to = local_of_tcp_;
    base::Packet packet = pool_.allocate();
    std::byte* tcp = start_packet(6, to, header + payload.size(), packet);
    std::fill_n(tcp, header, std::byte{0});
    base::store_be16(tcp, std::uint16_t(first_port + flow));
    base::store_be16(tcp + 2, to.port);
    base::store_be32(tcp + 4, flows_[flow].next);
    base::store_be32(tcp + 8, syn ? 0 : flows_[flow].expected);
    tcp[12] = std::byte(header / 4 << 4);
    tcp[13] = std::byte{flags};
    base::store_be16(tcp + 14, 60000);
    if (syn) {
      base::store_be32(tcp + 20, 0x02040564);
      base::store_be32(tcp + 24, 0x01030307);
    }
    std::copy(payload.begin(), payload.end(), tcp + header);
    flows_[flow].next += std::uint32_t(payload.size()) + syn;
    proxy_.input(std::move(packet), now_);
  }

  void send_udp(std::size_t flow) {
    base::Packet packet = pool_.allocate();
    std::byte* udp = start_packet(17, local_of_udp_, 8 + datagram_size, packet);
    base::store_be16(udp, std::uint16_t(first_port + flow));
    base::store_be16(udp + 2, local_of_udp_.port);
    base::store_be16(udp + 4, 8 + datagram_size);
    base::store_be16(udp + 6, 0);  // no checksum
    std::copy_n(lent.begin(), datagram_size, udp + 8);
    proxy_.input(std::move(packet), now_);
  }

  static constexpr std::uint16_t first_port = 20000;
  const Mode mode_;
  base::PacketPool pool_{2048, 100000};
  base::SystemRandom random_;
  base::Time now_ = base::BootClock::now();
  std::unique_ptr<base::WorkerCounters> counters_ = std::make_unique<base::WorkerCounters>();
  std::unique_ptr<base::PeerCounters> peer_ = std::make_unique<base::PeerCounters>();
  std::unique_ptr<std::array<base::GroupControls, 1024>> groups_ =
      std::make_unique<std::array<base::GroupControls, 1024>>();
  std::unique_ptr<proxy::FlowRing> records_ = std::make_unique<proxy::FlowRing>();
  base::PeerControls controls_;
  FileDescriptor tcp_{proxy::open_socket(base::IpAddress::v4(0x7f000001u), SOCK_STREAM)};
  FileDescriptor udp_{proxy::open_socket(base::IpAddress::v4(0x7f000001u), SOCK_DGRAM)};
  base::Endpoint local_of_tcp_, local_of_udp_;
  std::array<Flow, flow_count> flows_;
  std::array<sockaddr_storage, flow_count> mappings_{};
  std::size_t packets_ = 0;
  base::Duration spent_{};
  boost::asio::io_context io_;
  proxy::Proxy proxy_;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + std::ptrdiff_t(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t packets = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 50000;
  const std::size_t repeats = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 9;
  std::array<std::array<std::vector<double>, mode_count>, work_count> figures;
  for (std::size_t repeat = 0; repeat < repeats; ++repeat) {
    for (int mode = 0; mode < mode_count; ++mode) {
      Rig rig{Mode(mode)};
      for (int work = 0; work < work_count; ++work)
        figures[std::size_t(work)][std::size_t(mode)].push_back(rig.measure(Work(work), packets));
    }
  }
  std::printf("ns of CPU per data packet, and the difference from \"bare\"\n");
  for (std::size_t work = 0; work < work_count; ++work) {
    const double base = median(figures[work][bare]);
    std::printf("  %-8s  bare %6.0f", work_names[work], base);
    for (const Mode mode : {counted, limited}) {
      const double figure = median(figures[work][mode]);
      std::printf("   %s %6.0f (%+5.1f %%)", mode_names[mode], figure, (figure / base - 1) * 100);
    }
    std::printf("\n");
  }
}
