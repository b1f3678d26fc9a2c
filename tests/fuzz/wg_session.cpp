// Two devices and a list of what befalls them, one byte a step; then what must hold whatever it
// was: no packet twice or changed, no counter used twice under a key, timers that do not spin, and
// a tunnel that stands again once the wire is good.
#include <cstdlib>
#include <set>

#include "tests/wg/world.hpp"

using namespace culvert;
using namespace culvert::test;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

class Story {
 public:
  Story() {
    pair_.world.wire.tap = [this](const Flight& flight) { check_counter(flight); };
    pair_.world.wire.surgeon = [this](const Flight& flight) { return fate(flight); };
  }
  void step(unsigned op, unsigned argument);
  void end();

 private:
  void check_counter(const Flight& flight) {
    if (type_of(flight.bytes) != wg::MessageType::data) return;
    const auto header = wg::read_as<wg::DataHeader>(flight.bytes);
    require(counters_.emplace(header.receiver, header.counter).second);
  }
  std::vector<base::Duration> fate(const Flight& flight) {
    if (recorded_.size() < 200) recorded_.push_back(flight);
    if (lose_ > 0) return --lose_, std::vector<base::Duration>{};
    if (late_ > 0) return --late_, std::vector<base::Duration>{700ms};
    if (double_ > 0) return --double_, std::vector<base::Duration>{5ms, 40ms};
    return {10ms};
  }
  void advance(base::Duration time) {
    const auto turns = pair_.world.turns;
    pair_.world.run_for(time);
    require(pair_.world.turns - turns < 1'000 + std::uint64_t(time / 10ms));
    collect(pair_.server, 20, seen_up_);
    collect(pair_.client, 20, seen_down_);
  }
  void collect(Node& node, std::size_t at, std::set<std::uint32_t>& seen) {
    for (const auto& packet : node.delivered) {
      require(packet.bytes.size() == 120);
      const std::uint32_t number = base::load_be32(&packet.bytes[at]);
      require(number < next_ && seen.insert(number).second);
      require(packet.bytes == (&node == &pair_.server ? pair_.up(number) : pair_.down(number)));
    }
    node.delivered.clear();
  }
  // What was lost is no replay but news, and whoever withholds it may redirect its receiver. The
  // client's next packet puts that right for the server; the client itself would follow for good.
  void replay(bool from_elsewhere) {
    for (const Flight& f : std::vector<Flight>(recorded_)) {
      const bool up = f.to == pair_.server.at;
      const auto from = up && from_elsewhere ? endpoint("203.0.113.9:9") : f.from;
      (up ? pair_.server : pair_.client).receive(f.bytes, from);
    }
  }
  void readd_client() {
    pair_.server.device->remove_peer(pair_.client_id);
    pair_.client_id = pair_.server.add(pair_.client, "10.8.0.2/32");
  }
  void readd_server() {
    pair_.client.device->remove_peer(pair_.server_id);
    pair_.server_id = pair_.client.add(pair_.server, "0.0.0.0/0", true);
  }

  Pair pair_;
  std::uint32_t next_ = 0;
  unsigned lose_ = 0, late_ = 0, double_ = 0;
  std::vector<Flight> recorded_;
  std::set<std::pair<std::uint32_t, std::uint64_t>> counters_;
  std::set<std::uint32_t> seen_up_, seen_down_;
};

void Story::step(unsigned op, unsigned argument) {
  static constexpr base::Duration times[] = {1ms, 20ms, 300ms, 1s,   4900ms, 5400ms, 10s,  15400ms,
                                             61s, 90s,  119s,  121s, 166s,   179s,   181s, 541s};
  switch (op) {
    case 0:
      pair_.client.send(pair_.up(next_++));
      break;
    case 1:
      pair_.server.send(pair_.down(next_++));
      break;
    case 2:
      advance(times[argument]);
      break;
    case 3:
      lose_ = argument + 1;
      break;
    case 4:
      late_ = argument + 1;
      break;
    case 5:
      double_ = argument + 1;
      break;
    case 6:
      replay(argument % 2 == 0);
      break;
    case 7:
      pair_.client.at.port = std::uint16_t(40'000 + argument);
      break;
    case 8:
      pair_.client.wall_offset = std::chrono::hours(argument) * (argument % 2 ? 900 : -900);
      break;
    case 9:
      pair_.client.outbox_full = argument % 2, pair_.server.outbox_full = argument / 2 % 2;
      break;
    case 10:
      readd_client();
      break;
    case 11:
      readd_server();
      break;
    case 12:
      pair_.server.device->set_path(pair_.client_id, {pair_.client.at, {}, 0}, true,
                                    pair_.world.now);
      break;
    case 13:
      pair_.server.device->reset_timestamp(pair_.client_id);
      break;
    default:
      for (unsigned i = 0; i <= argument * 10; ++i) pair_.client.send(pair_.up(next_++));
      break;
  }
}

void Story::end() {
  lose_ = late_ = double_ = 0;
  pair_.client.outbox_full = pair_.server.outbox_full = false;
  advance(10s);
  // The server may have forgotten the client, who then notices after 15 s of silence.
  for (int i = 0; i < 25; ++i) pair_.client.send(pair_.up(next_++)), advance(1s);
  const std::uint32_t up = next_++, down = next_++;
  pair_.client.send(pair_.up(up)), pair_.server.send(pair_.down(down));
  advance(1s);
  require(seen_up_.contains(up) && seen_down_.contains(down));
  require(pair_.server.pool.in_use() == 0 && pair_.client.pool.in_use() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Story story;
  for (std::size_t i = 0; i < size && i < 200; ++i) story.step(data[i] / 16u, data[i] % 16u);
  story.end();
  return 0;
}
