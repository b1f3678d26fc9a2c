// What a packet costs in the stack, up and down, with 10, 10,000 and 50,000 open flows.
//
//   bench_flows [PACKETS] [REPEATS]     packets for each figure, and how many times; medians count
//
// Patterns: "apart": turns of 8 packets, each of another flow, so that nothing can be put together
// at any number of flows and only memory makes a difference. "random": turns of 64 packets of
// flows drawn from all; few flows profit here from joined segments and acknowledgements. "runs":
// the same with 8 packets of a flow in a row. "active": as "random", but ten flows of the open
// ones. Each alone and with the AEAD of the packet, as a worker has it. Prints nanoseconds of CPU
// per data packet and the ratio to 10 flows, and the memory of an idle flow.
#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/headers.hpp"
#include "base/packet.hpp"
#include "base/random.hpp"
#include "netstack/stack.hpp"
#include "wg/aead.hpp"

using namespace culvert;

namespace {

constexpr std::size_t segment_size = 1380;
constexpr std::array<std::byte, 32> key{};
const std::vector<std::byte> lent(1 << 20, std::byte{42});

// Of this thread: a busy machine must not count.
base::Duration cpu_time() {
  timespec ts{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec);
}

enum Pattern { apart, drawn, runs, active, pattern_count };
constexpr const char* pattern_names[] = {"apart", "random", "runs", "active"};

// What an owner needs for itself fits one cache line, so that the stack is measured.
struct alignas(64) Owner final : netstack::TcpConnection::Events {
  void on_established() noexcept override {}
  void on_data(netstack::Chain data) noexcept override { connection->consumed(data.size()); }
  void on_fin() noexcept override {}
  void on_sent(std::size_t) noexcept override {}
  void on_reset() noexcept override { std::abort(); }
  void on_closed() noexcept override {}
  std::unique_ptr<netstack::TcpConnection> connection;
  std::uint32_t next = 1001, expected = 0;
};

class Bench final : public netstack::Stack::Events {
 public:
  explicit Bench(std::size_t flows) : owners_(flows), stack_(config(), *this, random_, *counters_) {
    sealed_.resize(segment_size + wg::tag_size);
    wg::aead().seal(key, 0, base::Bytes(lent).first(segment_size), sealed_);
    for (std::size_t i = 0; i < flows; ++i) {
      current_ = i;
      send(i, 2, 1000, {});
      send(i, 16, 1001, {});
      if (i % 256 == 0) stack_.flush(now_);
    }
    settle();
  }

  double up(std::size_t packets, Pattern pattern, bool with_aead) {
    with_aead_ = with_aead;
    return measure(packets, [&] {
      const std::size_t run = pattern == runs ? 8 : 1;
      choose(pattern);
      for (const std::uint32_t flow : chosen_) {
        for (std::size_t i = 0; i < run; ++i) {
          send(flow, 16, owners_[flow].next, base::Bytes(lent).first(segment_size));
          owners_[flow].next += segment_size;
        }
      }
      stack_.flush(now_);
      return chosen_.size() * run;
    });
  }

  double down(std::size_t packets, Pattern pattern, bool with_aead) {
    with_aead_ = with_aead;
    return measure(packets, [&] {
      const std::size_t run = pattern == runs ? 8 : 1;
      const std::size_t before = emitted_;
      choose(pattern);
      // As the proxy has it, which reads the host sockets in between.
      for (const std::uint32_t flow : chosen_) owners_[flow].connection->prefetch();
      for (const std::uint32_t flow : chosen_)
        owners_[flow].connection->send(base::Bytes(lent).first(segment_size * run));
      stack_.flush(now_);
      for (const std::uint32_t flow : chosen_) send(flow, 16, owners_[flow].next, {});
      stack_.flush(now_);
      return emitted_ - before;
    });
  }

  void on_syn(netstack::PendingSyn syn) noexcept override {
    owners_[current_].connection = syn.accept(owners_[current_]);
  }
  void on_udp(const netstack::UdpDatagram&) noexcept override {}
  void on_echo(const netstack::EchoRequest&) noexcept override {}
  void on_client_refused(const base::FlowKey&) noexcept override {}
  void output(const base::Pieces& packet) noexcept override {
    emitted_ += packet.size() > 40;
    std::byte* head = outgoing_.data();
    packet.copy_to(with_aead_ ? base::MutableBytes(outgoing_)
                              : base::MutableBytes(outgoing_).first(40));
    if (with_aead_) {
      wg::aead().seal(key, emitted_, base::Bytes(outgoing_).first(packet.size()),
                      base::MutableBytes(datagram_).first(packet.size() + wg::tag_size));
    }
    const std::size_t flow = index_of(base::load_be16(head + 22), head[19]);
    const std::uint32_t sequence = base::load_be32(head + 24);
    const bool syn = (head[33] & std::byte{2}) != std::byte{0};
    owners_[flow].expected = sequence + std::uint32_t(syn ? 1 : packet.size() - 40);
  }

 private:
  // 250 client addresses, ports from 1000.
  static std::size_t index_of(std::uint16_t port, std::byte last) {
    return std::size_t(port - 1000) * 250 + std::to_integer<std::size_t>(last) - 2;
  }

  // The same windows at every number of flows.
  static netstack::Stack::Config config() {
    netstack::Stack::Config config;
    config.window_budget = std::size_t(16) << 30;
    return config;
  }

  void choose(Pattern pattern) {
    const std::size_t open = owners_.size();
    const auto below = [&](std::size_t n) {  // cheap: it is measured as well
      dice_ = dice_ * 6364136223846793005u + 1442695040888963407u;
      return std::size_t((dice_ >> 32) * n >> 32);
    };
    chosen_.resize(pattern == apart ? 8 : pattern == runs ? 8 : 64);
    const std::size_t start = below(open);
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      const std::size_t flow = pattern == apart    ? (start + i * (open / 8)) % open
                               : pattern == active ? below(10) * (open / 10)
                                                   : below(open);
      chosen_[i] = std::uint32_t(flow);
    }
  }

  void send(std::size_t flow, std::uint8_t flags, std::uint32_t sequence, base::Bytes payload) {
    base::Packet packet = pool_.allocate();
    const bool syn = (flags & 2) != 0;
    const std::size_t header = syn ? 28 : 20;
    packet.resize(20 + header + payload.size());
    base::IpHeaderSpec spec;
    spec.source = base::IpAddress::v4(0x0a080000u + std::uint32_t(flow % 250) + 2);
    spec.destination = base::IpAddress::v4(0xc6336407u);
    spec.protocol = 6;
    std::array<std::byte, base::max_ip_header> ip;
    base::build_ip_header(spec, header + payload.size(), ip);
    std::copy_n(ip.begin(), 20, packet.data());
    std::byte* tcp = packet.data() + 20;
    std::fill_n(tcp, header, std::byte{0});
    base::store_be16(tcp, std::uint16_t(1000 + flow / 250));
    base::store_be16(tcp + 2, 80);
    base::store_be32(tcp + 4, sequence);
    base::store_be32(tcp + 8, syn ? 0 : owners_[flow].expected);
    tcp[12] = std::byte(header / 4 << 4);
    tcp[13] = std::byte{flags};
    base::store_be16(tcp + 14, 60000);
    if (syn) {
      base::store_be32(tcp + 20, 0x02040564);
      base::store_be32(tcp + 24, 0x01030307);
    }
    if (!payload.empty() && with_aead_) {
      if (!wg::aead().open(key, 0, sealed_, {tcp + header, payload.size()})) std::abort();
    } else {
      std::copy(payload.begin(), payload.end(), tcp + header);
    }
    stack_.input(std::move(packet), now_);
  }

  void settle() {
    for (int i = 0; i < 100 && stack_.next_deadline() != base::never; ++i) {
      now_ = stack_.next_deadline();
      stack_.tick(now_);
      stack_.flush(now_);
    }
  }

  template <class F>
  double measure(std::size_t packets, F&& turn) {
    base::Duration spent{};
    std::size_t done = 0;
    while (done < packets) {
      const base::Duration start = cpu_time();
      done += turn();
      spent += cpu_time() - start;
      now_ += std::chrono::milliseconds(1);
      if (stack_.next_deadline() <= now_) stack_.tick(now_);
    }
    return double(spent.count()) / double(done);
  }

  base::PacketPool pool_{2048, 100000};
  base::SystemRandom random_;
  std::unique_ptr<base::WorkerCounters> counters_ = std::make_unique<base::WorkerCounters>();
  base::Time now_ = base::BootClock::now();
  std::size_t current_ = 0, emitted_ = 0;
  std::uint64_t dice_ = 1;
  bool with_aead_ = false;
  std::vector<std::byte> sealed_, outgoing_ = std::vector<std::byte>(2048), datagram_ = outgoing_;
  std::vector<std::uint32_t> chosen_;
  std::vector<Owner> owners_;
  netstack::Stack stack_;

 public:
  // The connections must go before the stack.
  ~Bench() override { owners_.clear(); }
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + std::ptrdiff_t(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

struct Figures {
  double up[2][pattern_count], down[2][pattern_count];  // [with AEAD]
};

Figures figures_of(Bench& bench, std::size_t packets, std::size_t repeats) {
  Figures out{};
  for (int sealed = 0; sealed < 2; ++sealed) {
    for (int pattern = 0; pattern < pattern_count; ++pattern) {
      std::vector<double> up, down;
      bench.up(2000, Pattern(pattern), sealed);  // warm
      for (std::size_t i = 0; i < repeats; ++i) {
        up.push_back(bench.up(packets, Pattern(pattern), sealed));
        down.push_back(bench.down(packets, Pattern(pattern), sealed));
      }
      out.up[sealed][pattern] = median(up);
      out.down[sealed][pattern] = median(down);
    }
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t packets = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 100000;
  const std::size_t repeats = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 5;
  Figures first{};
  std::printf("ns per data packet; in brackets the ratio to 10 flows; AEAD: %.*s\n",
              int(wg::aead().name().size()), wg::aead().name().data());
  for (std::size_t flows : {10u, 10000u, 50000u}) {
    const std::size_t before = mallinfo2().uordblks;
    Bench bench(flows);
    const double memory = double(mallinfo2().uordblks - before) / double(flows);
    const Figures now = figures_of(bench, packets, repeats);
    if (flows == 10) first = now;
    std::printf("%zu flows", flows);
    if (flows > 10) std::printf(", %.0f bytes for each while idle", memory);
    std::printf("\n");
    for (int pattern = 0; pattern < pattern_count; ++pattern) {
      std::printf("  %-7s", pattern_names[pattern]);
      for (int sealed = 0; sealed < 2; ++sealed) {
        const double up = now.up[sealed][pattern], down = now.down[sealed][pattern];
        std::printf("%s up %5.0f (%.2f)  down %5.0f (%.2f)", sealed ? "   with AEAD:" : "", up,
                    up / first.up[sealed][pattern], down, down / first.down[sealed][pattern]);
      }
      std::printf("\n");
    }
    std::fflush(stdout);
  }
}
