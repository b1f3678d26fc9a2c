// Device::receive with fixed keys and a standing tunnel. The input is a list of records, each an
// action, a length and that many bytes: datagrams as they are, datagrams with a right MAC1, real
// ones bent by XOR, and authentic ones that carry any bytes at all.
#include <algorithm>
#include <cstdlib>

#include "tests/wg/world.hpp"
#include "wg/cookie.hpp"

using namespace culvert;
using namespace culvert::test;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

struct Target {
  Target() : macs(pair.server.public_key) {
    pair.client.device->remove_peer(pair.server_id);
    wg::PeerConfig config;
    config.public_key = pair.server.public_key;
    config.allowed_ips = {prefix("0.0.0.0/0"), prefix("::/0")};
    config.endpoint = pair.server.at;
    pair.server_id = pair.client.add(std::move(config));
    pair.connect();
    pair.server.delivered.clear();
  }

  // What the client would send next, taken off the wire.
  std::vector<std::byte> take_from_client() {
    if (pair.client.outbox.empty()) return {};
    auto bytes = std::move(pair.client.outbox.front().bytes);
    pair.client.outbox.clear();
    return bytes;
  }
  std::vector<std::byte> initiation() {
    pair.world.run_for(6s);
    pair.client.device->set_path(pair.server_id, {pair.server.at, {}, 0}, true, pair.world.now);
    return take_from_client();
  }
  std::vector<std::byte> response() {
    pair.world.run_for(6s);
    pair.server.device->set_path(pair.client_id, {pair.client.at, {}, 0}, true, pair.world.now);
    if (pair.server.outbox.empty()) return {};
    pair.client.receive(pair.server.outbox.front().bytes, pair.server.at);
    pair.server.outbox.clear();
    return take_from_client();
  }

  void act(unsigned action, std::vector<std::byte> bytes);

  Pair pair;
  wg::CookieClient macs;
};

std::vector<std::byte> bend(std::vector<std::byte> datagram, const std::vector<std::byte>& by) {
  for (std::size_t i = 1; i < by.size() && !datagram.empty(); ++i)
    datagram[(std::to_integer<std::size_t>(by[0]) + i - 1) % datagram.size()] ^= by[i];
  return datagram;
}

void Target::act(unsigned action, std::vector<std::byte> bytes) {
  Node& server = pair.server;
  bool authentic = true;
  switch (action % 7) {
    case 0:
      authentic = false;
      break;
    case 1:
      authentic = false;
      if (bytes.size() >= 2 * sizeof(wg::Mac16)) macs.sign(bytes, pair.world.now);
      break;
    case 2:
      bytes = bend(initiation(), bytes);
      break;
    case 3:
      bytes = bend(response(), bytes);
      break;
    case 4:
      pair.client.send(pair.up());
      bytes = bend(take_from_client(), bytes);
      break;
    case 5:
      pair.client.send(bytes);
      bytes = take_from_client();
      break;
    default:
      pair.world.run_for(std::chrono::seconds(bytes.empty() ? 1 : std::to_integer<int>(bytes[0])));
      return;
  }
  const std::size_t size = bytes.size();
  const bool was_empty = server.outbox.empty();
  server.receive(std::move(bytes), endpoint("203.0.113.9:999"));
  // A stranger gets a cookie or nothing.
  if (!authentic && was_empty && !server.outbox.empty())
    require(server.outbox.size() == 1 && server.outbox[0].bytes.size() * 100 <= 63 * size);
  for (const auto& packet : server.delivered) {
    require(packet.bytes.size() >= 20 && packet.peer == pair.client_id);
    require(std::to_integer<unsigned>(packet.bytes[0]) >> 4 == 4);
    const auto source = base::IpAddress::v4(std::span(packet.bytes).subspan<12, 4>());
    require(source == address("10.8.0.2"));
  }
  server.delivered.clear();
  server.flush();
  pair.world.run_for(1ms);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Target target;
  std::size_t at = 0;
  for (int records = 0; records < 64 && size - at >= 2; ++records) {
    const unsigned action = data[at];
    // Lengths above 200 stand for longer ones, so that one byte reaches a full datagram.
    const std::size_t wanted = data[at + 1] <= 200 ? data[at + 1] : (data[at + 1] - 200) * 28u;
    at += 2;
    const std::size_t length = std::min(wanted, size - at);
    const auto* first = reinterpret_cast<const std::byte*>(data + at);
    target.act(action, {first, first + length});
    at += length;
  }
  require(target.pair.server.pool.in_use() == 0);
  return 0;
}
