// Clients of a tunnel that ask for names, and the resolver behind the server, for the scripts
// beside this file. One program, so that none of them costs much of the machine under test.
//
//   bench_dns_client upstream PORT
//   bench_dns_client ask PRIVATE SERVER_KEY ENDPOINT ADDRESS SECONDS RATE
//     asks until then or SIGTERM at random times, in turn for cached, blocked and new names. Prints
//     a line each: kind, when (ns of the wall clock), how long it took (ns; -1 = no answer in 2 s),
//     RCODE
//   bench_dns_client flood PRIVATE SERVER_KEY ENDPOINT ADDRESS SECONDS RATE KIND
//     asks as fast as it can (RATE 0), or so often a second, in bursts of 0.8 s with a pause of 0.2
//     s. Prints when each burst began and ended, and how much it sent.
#include <sys/mman.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <stdexcept>
#include <thread>

#include "base/headers.hpp"
#include "tcp_flood.hpp"
#include "tunnel.hpp"
#include "upstream.hpp"
#include "wg/crypto.hpp"

namespace culvert::bench {
namespace {

using std::chrono::nanoseconds;
constexpr std::int64_t second = 1'000'000'000, burst = second * 8 / 10, pause = second * 2 / 10;
constexpr unsigned rules = 100'000;  // of the list that the script writes
constexpr unsigned cached = 100;

std::string numbered(const char* prefix, unsigned number, const char* zone) {
  char name[64];
  std::snprintf(name, sizeof name, "%s%09u.%s", prefix, number, zone);
  return name;
}

// Names that no run before asked for.
unsigned fresh(unsigned number) {
  static const auto first = unsigned(stamp_now() / second % 900) * 1'000'000;
  return (first + number) % 1'000'000'000;
}

std::string name_of(const std::string& kind, unsigned number) {
  if (kind == "blocked") return numbered("n", number * 7919 % rules, "ads.example");
  if (kind == "cached") return numbered("c", number % cached, "bench.example");
  if (kind == "silent") return numbered("silent", fresh(number), "bench.example");
  return numbered(kind == "flooded" ? "g" : "f", fresh(number), "bench.example");
}

// ---- who is measured

volatile std::sig_atomic_t told_to_end = 0;

struct Asked {
  const char* kind;
  std::int64_t at = 0, took = -1;
  int rcode = -1;
};

class Client {
 public:
  Client(Tunnel& tunnel, double rate) : tunnel_(tunnel), mean_(double(second) / rate) {}

  void run(std::int64_t end) {
    std::int64_t next = stamp_now();
    while (stamp_now() < end && !told_to_end) {
      const std::int64_t now = stamp_now();
      if (now >= next) {
        ask();
        next = std::max(next + std::int64_t(mean_ * (0.5 + chance_())), now);
        continue;
      }
      take(nanoseconds(next - now));
    }
    const std::int64_t last = stamp_now() + 2 * second;
    while (stamp_now() < last) take(std::chrono::milliseconds(50));
  }

  void print() const {
    for (const Asked& each : asked_)
      std::printf("%s %lld %lld %d\n", each.kind, static_cast<long long>(each.at),
                  static_cast<long long>(each.took), each.rcode);
  }

 private:
  void ask() {
    static constexpr const char* kinds[] = {"cached", "blocked", "forwarded"};
    const auto number = unsigned(asked_.size());
    const char* const kind = kinds[number % 3];
    const std::string name = name_of(kind, kind == kinds[2] ? number : number / 3);
    const ByteVector packet =
        tunnel_.udp(std::uint16_t(1024 + number % 60000), question(name, std::uint16_t(number)));
    asked_.push_back({kind, stamp_now()});
    tunnel_.send(packet);
    tunnel_.flush();
  }

  void take(nanoseconds wait) {
    tunnel_.receive(wait, [this](base::Bytes packet, std::int64_t stamp) {
      const auto ip = base::IpView::parse(packet);
      const auto udp = ip ? base::UdpView::parse(*ip) : std::nullopt;
      if (!udp || udp->payload.size() < 12) return;
      // The last one of this ID.
      const std::size_t id = base::load_be16(udp->payload.data());
      const std::size_t wraps = (asked_.size() - 1 - id) >> 16;
      if (asked_.empty() || id >= asked_.size()) return;
      Asked& asked = asked_[id + (wraps << 16)];
      if (asked.took >= 0 || stamp - asked.at > 2 * second) return;
      asked.took = stamp - asked.at;
      asked.rcode = std::to_integer<int>(udp->payload[3]) & 15;
    });
  }

  double chance_() { return std::uniform_real_distribution<>(0, 1)(random_); }

  Tunnel& tunnel_;
  double mean_;
  std::mt19937 random_{7};
  std::vector<Asked> asked_;
};

// ---- who floods

std::vector<ByteVector> malformed_packets(const Tunnel& tunnel) {
  const ByteVector good = question("www.bench.example", 7);
  std::vector<ByteVector> bad;
  for (const std::size_t size : {std::size_t(3), std::size_t(12), std::size_t(20), good.size() - 1})
    bad.emplace_back(good.begin(), good.begin() + std::ptrdiff_t(size));
  bad.push_back(good);
  bad.back()[5] = std::byte{2};  // two questions
  bad.push_back(good);
  bad.back()[12] = std::byte{0xc0}, bad.back()[13] = std::byte{12};  // a pointer to itself
  bad.push_back(good);
  bad.back()[2] = std::byte{0x29};  // UPDATE
  bad.push_back(good);
  bad.back()[2] = std::byte{0x81};  // an answer
  std::vector<ByteVector> packets;
  for (std::size_t i = 0; i < 512; ++i)
    packets.push_back(tunnel.udp(std::uint16_t(1024 + i), bad[i % bad.size()]));
  return packets;
}

// Ready beforehand where names come again.
class Packets {
 public:
  Packets(const Tunnel& tunnel, std::string kind) : tunnel_(tunnel), kind_(std::move(kind)) {
    if (kind_ == "malformed") packets_ = malformed_packets(tunnel);
    for (unsigned i = 0; packets_.empty() || i % 8192 != 0; ++i) {
      if (is_new() || kind_ == "malformed") break;
      packets_.push_back(made(i));
    }
  }
  const ByteVector& next() {
    ++count_;
    if (is_new()) return fresh_ = made(unsigned(count_));
    return packets_[count_ % packets_.size()];
  }

 private:
  bool is_new() const { return kind_ == "forwarded" || kind_ == "silent"; }
  ByteVector made(unsigned number) const {
    return tunnel_.udp(
        std::uint16_t(1024 + number % 60000),
        question(name_of(kind_ == "forwarded" ? "flooded" : kind_, number), std::uint16_t(number)));
  }
  const Tunnel& tunnel_;
  std::string kind_;
  std::vector<ByteVector> packets_;
  ByteVector fresh_;
  std::uint64_t count_ = 0;
};

// One burst of datagrams, which leave 64 at a time.
std::uint64_t flood_udp(Tunnel& tunnel, Packets& packets, double rate, std::int64_t begin,
                        const std::function<bool()>& over) {
  std::uint64_t sent = 0;
  while (!over()) {
    const double due = double(stamp_now() - begin) / double(second) * rate;
    if (rate > 0 && double(sent) + 1 > due) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
      continue;
    }
    for (int i = 0; i < 64 && (rate == 0 || double(sent) < due); ++i, ++sent)
      tunnel.send(packets.next());
    tunnel.flush();
  }
  return sent;
}

void flood(Tunnel& tunnel, std::int64_t end, double rate, const std::string& kind) {
  Packets packets(tunnel, kind);
  while (stamp_now() < end) {
    const std::int64_t begin = stamp_now();
    const auto over = [&] { return stamp_now() >= std::min(begin + burst, end); };
    const std::uint64_t sent =
        kind == "tcp" ? flood_tcp(tunnel, over) : flood_udp(tunnel, packets, rate, begin, over);
    std::printf("%lld %lld %llu\n", static_cast<long long>(begin),
                static_cast<long long>(stamp_now()), static_cast<unsigned long long>(sent));
    std::fflush(stdout);
    const std::int64_t again = stamp_now() + pause;
    while (stamp_now() < again) {
      tunnel.discard();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

int run(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "upstream" && argc == 3) serve_upstream(std::uint16_t(std::atoi(argv[2])));
  if ((mode != "ask" || argc != 8) && (mode != "flood" || argc != 9))
    throw std::runtime_error("see the head of dns_client.cpp");
  ::mlockall(MCL_CURRENT | MCL_FUTURE);
  wg::init_crypto();
  Tunnel tunnel({.private_key = argv[2],
                 .server_key = argv[3],
                 .server = base::Endpoint::parse(argv[4]).value(),
                 .address = base::IpAddress::parse(argv[5]).value(),
                 .resolver = *base::IpAddress::parse("10.8.0.1")});
  tunnel.connect();
  const std::int64_t end = stamp_now() + std::int64_t(std::atof(argv[6]) * double(second));
  if (mode == "flood") return flood(tunnel, end, std::atof(argv[7]), argv[8]), 0;
  std::signal(SIGTERM, [](int) { told_to_end = 1; });
  Client client(tunnel, std::atof(argv[7]));
  client.run(end);
  client.print();
  return 0;
}

}  // namespace
}  // namespace culvert::bench

int main(int argc, char** argv) {
  try {
    return culvert::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
