// A world of Devices for tests: nodes with an outer address each, a LossyWire between them, and a
// virtual clock that jumps from one event to the next.
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <string>

#include "base/headers.hpp"
#include "tests/support/lossy_wire.hpp"
#include "wg/crypto.hpp"
#include "wg/device.hpp"
#include "wg/messages.hpp"

namespace culvert::test {

using namespace std::chrono_literals;
using wg::Device;

inline base::Endpoint endpoint(const char* text) {
  return *base::Endpoint::parse(text);
}
inline base::IpAddress address(const char* text) {
  return *base::IpAddress::parse(text);
}
inline base::Prefix prefix(const char* text) {
  return *base::Prefix::parse(text);
}

// An inner UDP-like packet whose payload begins with `number`.
inline std::vector<std::byte> inner_packet(const base::IpAddress& from, const base::IpAddress& to,
                                           std::size_t payload = 100, std::uint32_t number = 0) {
  std::array<std::byte, base::max_ip_header> header;
  base::IpHeaderSpec spec;
  spec.source = from, spec.destination = to, spec.protocol = 17;
  const std::size_t size = base::build_ip_header(spec, payload, header);
  std::vector<std::byte> packet(header.begin(), header.begin() + std::ptrdiff_t(size));
  packet.resize(size + payload, std::byte{0x5a});
  if (payload >= 4) base::store_be32(&packet[size], number);
  return packet;
}

class World;

class Node final : public wg::Outbox, public Device::Events {
 public:
  struct Sent {
    wg::Path path;
    std::vector<std::byte> bytes;
    std::uint8_t tos;
  };
  struct Delivered {
    wg::PeerId peer;
    std::vector<std::byte> bytes;
  };
  struct Options {
    std::uint64_t seed = 1;
    unsigned worker = 0, workers = 1;
    std::size_t mtu = 1420;
    const wg::PrivateKey* key = nullptr;  // none: drawn from the seed
    std::size_t packets = 256;
  };

  Node(World& world, const base::Endpoint& at, Options options);

  // Outbox
  base::MutableBytes reserve(const wg::Path& path, std::size_t size,
                             std::uint8_t tos) noexcept override {
    if (outbox_full) return {};
    outbox.push_back({path, std::vector<std::byte>(size, std::byte{0xee}), tos});
    return outbox.back().bytes;
  }
  void cancel_last() noexcept override { outbox.pop_back(); }

  // Events
  void on_packet(wg::PeerId peer, base::Packet packet) noexcept override {
    const auto bytes = packet.bytes();
    if (keep_packets) delivered.push_back({peer, {bytes.begin(), bytes.end()}});
    ++packets_in;
  }
  void on_session(wg::PeerId) noexcept override { ++sessions; }
  void on_session_lost(wg::PeerId) noexcept override { ++sessions_lost; }
  void on_endpoint(wg::PeerId, const wg::Path& path) noexcept override {
    ++moves, last_path = path;
  }
  void on_misrouted(unsigned owner, base::Bytes datagram, const wg::Path& from) noexcept override {
    misrouted.push_back({owner, {datagram.begin(), datagram.end()}, from});
  }

  wg::PeerId add(wg::PeerConfig config);
  // A peer that is `other`, by its key; `dial` gives it other's address.
  wg::PeerId add(Node& other, const char* allowed, bool dial = false,
                 std::chrono::seconds keepalive = 0s);
  std::optional<base::Drop> send(const std::vector<std::byte>& packet);
  void receive(std::vector<std::byte> datagram, const wg::Path& from);
  void receive(const std::vector<std::byte>& datagram, const base::Endpoint& from) {
    receive(datagram, wg::Path{from, at.address, 1});
  }
  void tick();
  void flush();  // to the wire
  std::uint64_t drops(base::Drop why) const { return counters.drops.get(why); }

  struct Misrouted {
    unsigned owner;
    std::vector<std::byte> bytes;
    wg::Path from;
  };

  World& world;
  base::Endpoint at;  // change it and the node has moved
  SeededRandom random;
  base::PacketPool pool;
  base::WorkerCounters counters;
  std::list<base::PeerCounters> peer_counters;  // in the order of add()
  wg::PublicKey public_key;
  std::chrono::nanoseconds wall_offset{};  // the node's wall clock is wrong by this
  std::deque<Sent> outbox;
  bool outbox_full = false, keep_packets = true;
  std::deque<Delivered> delivered;
  std::vector<Misrouted> misrouted;
  std::uint64_t packets_in = 0, sessions = 0, sessions_lost = 0, moves = 0;
  wg::Path last_path;
  std::unique_ptr<Device> device;
};

class World {
 public:
  explicit World(std::uint64_t seed = 1) : wire(seed) { wg::init_crypto(); }

  Node& add(const char* at, Node::Options options = {}) {
    nodes.emplace_back(*this, endpoint(at), options);
    return nodes.back();
  }
  Node* at(const base::Endpoint& where) {
    for (Node& node : nodes)
      if (node.at == where) return &node;
    return nullptr;
  }

  // Everything that happens until `until`, in order; the clock stands there afterwards.
  void run_until(base::Time until) {
    for (;;) {
      for (Node& node : nodes) node.flush();
      base::Time next = wire.next();
      for (Node& node : nodes) next = std::min(next, node.device->next_deadline());
      if (next > until) break;
      now = std::max(now, next);
      while (wire.next() <= now) {
        Flight flight = wire.take();
        if (Node* to = at(flight.to)) to->receive(std::move(flight.bytes), flight.from);
      }
      for (Node& node : nodes) node.tick();
      ++turns;
    }
    now = until;
  }
  void run_for(base::Duration time) { run_until(now + time); }

  LossyWire wire;
  base::Time now{1000s};
  std::uint64_t turns = 0;
  std::list<Node> nodes;
};

inline Node::Node(World& w, const base::Endpoint& where, Options options)
    : world(w), at(where), random(options.seed * 7919 + where.port), pool(2048, options.packets) {
  Device::Config config;
  config.private_key = options.key ? options.key->clone() : wg::generate_private_key(random);
  public_key = wg::public_key_of(config.private_key);
  config.worker = options.worker;
  config.workers = options.workers;
  config.mtu = options.mtu;
  config.wall_clock = [this] {
    return base::WallTime(std::chrono::nanoseconds(1'700'000'000s) + world.now.time_since_epoch() +
                          wall_offset);
  };
  device = std::make_unique<Device>(std::move(config), *this, *this, pool, random, counters);
}

inline wg::PeerId Node::add(wg::PeerConfig config) {
  auto added = device->add_peer(std::move(config), peer_counters.emplace_back(), world.now);
  if (!added) throw std::runtime_error(added.error());
  return *added;
}
inline wg::PeerId Node::add(Node& other, const char* allowed, bool dial,
                            std::chrono::seconds keepalive) {
  wg::PeerConfig config;
  config.public_key = other.public_key;
  config.allowed_ips = {prefix(allowed)};
  if (dial) config.endpoint = other.at;
  config.persistent_keepalive = keepalive;
  return add(std::move(config));
}
inline std::optional<base::Drop> Node::send(const std::vector<std::byte>& packet) {
  return device->send(base::Bytes(packet), world.now);
}
inline void Node::receive(std::vector<std::byte> datagram, const wg::Path& from) {
  device->receive(datagram, from, world.now);
}
inline void Node::tick() {
  device->tick(world.now);
}
inline void Node::flush() {
  for (; !outbox.empty(); outbox.pop_front())
    world.wire.send({at, outbox.front().path.remote, std::move(outbox.front().bytes)}, world.now);
}

// A client that dials a server, both knowing each other: the usual pair.
struct Pair {
  explicit Pair(std::uint64_t seed = 1, std::chrono::seconds client_keepalive = 0s)
      : world(seed),
        server(world.add("192.0.2.1:51820", {.seed = seed * 2 + 1})),
        client(world.add("198.51.100.7:40000", {.seed = seed * 2 + 2})) {
    client_id = server.add(client, "10.8.0.2/32");
    server_id = client.add(server, "0.0.0.0/0", true, client_keepalive);
  }
  std::vector<std::byte> up(std::uint32_t number = 0, std::size_t payload = 100) const {
    return inner_packet(address("10.8.0.2"), address("203.0.113.5"), payload, number);
  }
  std::vector<std::byte> down(std::uint32_t number = 0, std::size_t payload = 100) const {
    return inner_packet(address("203.0.113.5"), address("10.8.0.2"), payload, number);
  }
  void connect() {
    client.send(up());
    world.run_for(1s);
  }

  World world;
  Node& server;
  Node& client;
  wg::PeerId client_id, server_id;
};

inline wg::MessageType type_of(const std::vector<std::byte>& datagram) {
  return wg::message_type(datagram).value();
}

}  // namespace culvert::test
