#include "tcp_flood.hpp"

#include <array>

#include "base/headers.hpp"

namespace culvert::bench {
namespace {

using F = base::TcpView;

constexpr std::uint16_t first_port = 2000;
constexpr std::size_t connections = 16, questions_each = 30;
constexpr std::uint32_t most_under_way = 48 << 10;
constexpr auto patience = std::chrono::milliseconds(200);

// It never sends anything twice: one that stands still is given up for a new one.
struct Connection {
  std::uint16_t port = 0;
  std::uint32_t next = 0, acknowledged = 0, expected = 0;
  bool open = false;
  base::Time heard{};
};

class Flood {
 public:
  Flood(Tunnel& tunnel) : tunnel_(tunnel) {
    for (unsigned i = 0; i < questions_each; ++i) {
      const ByteVector one = question("c" + std::to_string(i) + ".bench.example", std::uint16_t(i));
      std::array<std::byte, 2> length;
      base::store_be16(length.data(), std::uint16_t(one.size()));
      questions_.insert(questions_.end(), length.begin(), length.end());
      questions_.insert(questions_.end(), one.begin(), one.end());
    }
  }

  std::uint64_t run(const std::function<bool()>& over) {
    while (!over()) {
      const base::Time now = base::BootClock::now();
      for (Connection& each : connections_) {
        if (now - each.heard > patience) begin(each, now);
        if (each.open) fill(each);
      }
      for (int i = 0; i < 8; ++i) tunnel_.send(tunnel_.tcp(++knocking_, 1, 0, F::syn, {}));
      tunnel_.flush();
      tunnel_.receive({}, [this, now](base::Bytes packet, std::int64_t) { take(packet, now); });
    }
    return asked_;
  }

 private:
  void begin(Connection& each, base::Time now) {
    each = {};
    each.port = last_port_ = std::uint16_t(last_port_ == 19999 ? first_port : last_port_ + 1);
    each.heard = now;
    tunnel_.send(tunnel_.tcp(each.port, 0, 0, F::syn, {}));
    each.next = each.acknowledged = 1;
  }

  void fill(Connection& each) {
    while (each.next - each.acknowledged + questions_.size() <= most_under_way) {
      tunnel_.send(tunnel_.tcp(each.port, each.next, each.expected, F::ack | F::psh, questions_));
      each.next += std::uint32_t(questions_.size());
      asked_ += questions_each;
    }
  }

  void take(base::Bytes packet, base::Time now) {
    const auto ip = base::IpView::parse(packet);
    const auto tcp = ip && ip->protocol == 6 ? base::TcpView::parse(*ip) : std::nullopt;
    if (!tcp) return;
    for (Connection& each : connections_) {
      if (each.port != tcp->destination_port) continue;
      if (tcp->flags & F::rst) return void(each.open = false);
      if (tcp->flags & F::syn) each.expected = tcp->sequence + 1, each.open = true;
      if (tcp->acknowledgement - each.acknowledged < most_under_way * 2)
        each.acknowledged = tcp->acknowledgement;
      if (tcp->sequence == each.expected) each.expected += std::uint32_t(tcp->payload.size());
      each.heard = now;
      if ((tcp->flags & F::syn) || !tcp->payload.empty())
        tunnel_.send(tunnel_.tcp(each.port, each.next, each.expected, F::ack, {}));
    }
  }

  Tunnel& tunnel_;
  ByteVector questions_;
  std::array<Connection, connections> connections_;
  std::uint16_t last_port_ = first_port, knocking_ = 20000;
  std::uint64_t asked_ = 0;
};

}  // namespace

std::uint64_t flood_tcp(Tunnel& tunnel, const std::function<bool()>& over) {
  return Flood(tunnel).run(over);
}

}  // namespace culvert::bench
