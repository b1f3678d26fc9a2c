// A World whose flow records are kept, with a wall clock that goes with its own.
#pragma once

#include <memory>
#include <vector>

#include "tests/proxy/world.hpp"

namespace culvert::test {

// A client's connection through the proxy to a real listener.
struct OpenFlow {
  explicit OpenFlow(World& world, std::uint16_t port = 40000)
      : origin(SOCK_STREAM), client(world, origin.endpoint(), port) {
    client.open();
    world.turn();
    world.run_until([&] { return bool(host = origin.accept()); });
  }
  // What the host has got; `error` is how it ended.
  std::string read_host() {
    char buffer[65536];
    const ssize_t n = ::recv(host.get(), buffer, sizeof buffer, 0);
    if (n < 0 && errno != EAGAIN) error = errno;
    return n > 0 ? std::string(buffer, std::size_t(n)) : std::string();
  }
  Origin origin;
  HandClient client;
  FileDescriptor host;
  int error = 0;
};

class RecordedWorld {
 public:
  static constexpr std::int64_t epoch = 1'700'000'000;  // what the clock showed at World's zero

  explicit RecordedWorld(proxy::Limits limits = {}, bool full_cone = false)
      : ring(std::make_unique<proxy::FlowRing>()), world(config(), limits, full_cone) {}

  std::vector<proxy::FlowRecord> take() {
    std::vector<proxy::FlowRecord> all;
    for (proxy::FlowRecord record; ring->pop(record);) all.push_back(record);
    return all;
  }
  std::vector<proxy::FlowRecord> list() const {
    std::vector<proxy::FlowRecord> all;
    world.proxy.list_flows([&](const proxy::FlowRecord& record) { all.push_back(record); });
    return all;
  }

  std::unique_ptr<proxy::FlowRing> ring;

 private:
  proxy::Proxy::Config config() {
    proxy::Proxy::Config c = World::config();
    c.records = ring.get();
    c.wall_clock = [this] {
      return base::WallTime(std::chrono::seconds(epoch)) + world.now.time_since_epoch();
    };
    return c;
  }

 public:
  World world;
};

}  // namespace culvert::test
