// What a packet costs in the stack, up and down, with 10, 10,000 and 50,000 open flows. Traffic
// goes to random flows of them, in batches as a worker's loop turn has them. Prints nanoseconds per
// packet and the ratio to 10 flows, and the memory of an idle flow.
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/headers.hpp"
#include "base/packet.hpp"
#include "base/random.hpp"
#include "netstack/stack.hpp"

using namespace culvert;

namespace {

constexpr std::size_t segment_size = 1380;
constexpr std::size_t batch = 512;
const std::vector<std::byte> lent(1 << 20, std::byte{42});

// Of this thread: a busy machine must not count.
base::Duration cpu_time() {
  timespec ts{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec);
}

struct Owner final : netstack::TcpConnection::Events {
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
  explicit Bench(std::size_t flows) : owners_(flows), stack_({}, *this, random_, *counters_) {
    for (std::size_t i = 0; i < flows; ++i) {
      owners_[i] = std::make_unique<Owner>();
      current_ = i;
      send(i, 2, 1000, {});
      send(i, 16, 1001, {});
      if (i % batch == 0) stack_.flush(now_);
    }
    settle();
  }

  double up(std::size_t packets, std::size_t run) {
    return measure(packets, [&] {
      for (std::size_t n = 0; n < batch;) {
        const std::size_t flow = random_.below(std::uint32_t(owners_.size()));
        for (std::size_t i = 0; i < run; ++i, ++n) {
          send(flow, 16, owners_[flow]->next, base::Bytes(lent).first(segment_size));
          owners_[flow]->next += segment_size;
        }
      }
      stack_.flush(now_);
      return batch;
    });
  }

  double down(std::size_t packets, std::size_t run) {
    return measure(packets, [&] {
      std::vector<std::size_t> used;
      const std::size_t before = emitted_;
      while (used.size() * run < batch) {
        const std::size_t flow = random_.below(std::uint32_t(owners_.size()));
        owners_[flow]->connection->send(base::Bytes(lent).first(segment_size * run));
        used.push_back(flow);
      }
      stack_.flush(now_);
      const std::size_t sent = emitted_ - before;
      for (std::size_t flow : used) send(flow, 16, owners_[flow]->next, {});
      stack_.flush(now_);
      return sent;
    });
  }

  void on_syn(netstack::PendingSyn syn) noexcept override {
    owners_[current_]->connection = syn.accept(*owners_[current_]);
  }
  void on_udp(const netstack::UdpDatagram&) noexcept override {}
  void on_echo(const netstack::EchoRequest&) noexcept override {}
  void on_client_refused(const base::FlowKey&) noexcept override {}
  void output(const base::Pieces& packet) noexcept override {
    ++emitted_;
    std::byte head[40];
    packet.copy_to(head);
    const std::size_t flow = index_of(base::load_be16(head + 22), head[19]);
    const std::uint32_t sequence = base::load_be32(head + 24);
    const bool syn = (head[33] & std::byte{2}) != std::byte{0};
    owners_[flow]->expected = sequence + std::uint32_t(syn ? 1 : packet.size() - 40);
  }

 private:
  // 250 client addresses, ports from 1000.
  static std::size_t index_of(std::uint16_t port, std::byte last) {
    return std::size_t(port - 1000) * 250 + std::to_integer<std::size_t>(last) - 2;
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
    base::store_be32(tcp + 8, syn ? 0 : owners_[flow]->expected);
    tcp[12] = std::byte(header / 4 << 4);
    tcp[13] = std::byte{flags};
    base::store_be16(tcp + 14, 60000);
    if (syn) {
      base::store_be32(tcp + 20, 0x02040564);
      base::store_be32(tcp + 24, 0x01030307);
    }
    std::copy(payload.begin(), payload.end(), tcp + header);
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
  std::vector<std::unique_ptr<Owner>> owners_;
  netstack::Stack stack_;

 public:
  // The connections must go before the stack.
  ~Bench() override { owners_.clear(); }
};

}  // namespace

int main(int argc, char** argv) {
  const std::size_t packets = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 400000;
  struct Row {
    double up1, up8, down1, down8;
  };
  Row first{};
  std::printf(
      "ns per packet; 1 and 8 packets of a flow in a row; in brackets the ratio to 10 flows\n");
  for (std::size_t flows : {10u, 10000u, 50000u}) {
    const std::size_t before = mallinfo2().uordblks;
    Bench bench(flows);
    const double memory = double(mallinfo2().uordblks - before) / double(flows);
    const Row row{bench.up(packets, 1), bench.up(packets, 8), bench.down(packets, 1),
                  bench.down(packets, 8)};
    if (flows == 10) first = row;
    std::printf(
        "%6zu flows  up1 %5.0f (%.2f)  up8 %5.0f (%.2f)  down1 %5.0f (%.2f)  down8 %5.0f (%.2f)",
        flows, row.up1, row.up1 / first.up1, row.up8, row.up8 / first.up8, row.down1,
        row.down1 / first.down1, row.down8, row.down8 / first.down8);
    if (flows > 10) std::printf("  %.0f bytes per idle flow", memory);
    std::printf("\n");
  }
}
