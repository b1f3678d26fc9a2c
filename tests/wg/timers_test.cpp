// Each of the five timers by itself, and the rules of section 6 of the paper between two devices,
// in virtual time.
#include "wg/timers.hpp"

#include "tests/support/catch.hpp"
#include "tests/wg/world.hpp"

using namespace culvert;
using namespace culvert::test;
using base::Drop;
using wg::MessageType;
using wg::Timers;

namespace {
constexpr base::Time start{1000s};
constexpr base::Duration jitter = 100ms;

// Counts what one node sends, by type, with the time of each.
struct Tap {
  Tap(World& world, const Node& node) {
    world.wire.tap = [this, &world, &node](const Flight& flight) {
      if (flight.from == node.at) sent.emplace_back(type_of(flight.bytes), world.now);
      if (flight.from == node.at && flight.bytes.size() == wg::data_overhead) ++keepalives;
    };
  }
  std::size_t count(MessageType type) const {
    return std::size_t(
        std::count_if(sent.begin(), sent.end(), [type](const auto& s) { return s.first == type; }));
  }
  std::vector<std::pair<MessageType, base::Time>> sent;
  std::size_t keepalives = 0;
};
}  // namespace

TEST_CASE("timer 1: an initiation is sent 20 times, then given up", "[wg][timers]") {
  Timers timers;
  base::Time now = start;
  REQUIRE(timers.handshake_wanted(now));
  timers.initiation_sent(now, jitter);
  int sent = 1;
  for (;;) {
    REQUIRE(timers.deadline() == now + 5s + jitter);
    now = timers.deadline();
    const auto due = timers.expire(now);
    if (due.give_up) break;
    REQUIRE(due.retry);
    timers.initiation_sent(now, jitter);
    ++sent;
  }
  CHECK(sent == 20);
  CHECK(now - start > 90s);
  CHECK(timers.deadline() == now + 540s);  // what is left is the wiping of keys
}

TEST_CASE("timer 1 stops when the handshake completes", "[wg][timers]") {
  Timers timers;
  REQUIRE(timers.handshake_wanted(start));
  timers.initiation_sent(start, jitter);
  timers.handshake_completed();
  CHECK(timers.deadline() == base::never);
}

TEST_CASE("timer 2: data received is answered by a keepalive after 10 s", "[wg][timers]") {
  Timers timers;
  timers.data_received(start);
  CHECK(timers.deadline() == start + 10s);
  CHECK(timers.expire(start + 10s).keepalive);
  CHECK(timers.deadline() == base::never);
}

TEST_CASE("timer 2: more data meanwhile means one more keepalive, not many", "[wg][timers]") {
  Timers timers;
  timers.data_received(start);
  timers.data_received(start + 1s);
  timers.data_received(start + 2s);
  CHECK(timers.expire(start + 10s).keepalive);
  CHECK(timers.deadline() == start + 20s);
  CHECK(timers.expire(start + 20s).keepalive);
  CHECK(timers.deadline() == base::never);
}

TEST_CASE("timer 2: sending anything makes the keepalive needless", "[wg][timers]") {
  Timers timers;
  timers.data_received(start);
  timers.authenticated_sent(start + 3s);
  CHECK(timers.deadline() == base::never);
}

TEST_CASE("timer 3: silence for 15 s after data was sent asks for a handshake", "[wg][timers]") {
  Timers timers;
  timers.response_sent(start, jitter);  // gives the jitter
  timers.authenticated_sent(start + 10s);
  timers.data_sent(start + 10s);
  timers.data_sent(start + 12s);  // does not push it back
  CHECK(timers.deadline() == start + 25s + jitter);
  const auto due = timers.expire(start + 25s + jitter);
  CHECK(due.new_handshake);
  CHECK_FALSE(due.keepalive);
}

TEST_CASE("timer 3: anything authenticated stops it", "[wg][timers]") {
  Timers timers;
  timers.data_sent(start);
  timers.authenticated_received(start + 14s);
  CHECK(timers.deadline() == base::never);
}

TEST_CASE("timer 4: keys are wiped 540 s after the newest session", "[wg][timers]") {
  Timers timers;
  timers.session_derived(start);
  timers.session_derived(start + 100s);
  CHECK_FALSE(timers.expire(start + 640s - 1ns).wipe);
  CHECK(timers.expire(start + 640s).wipe);
}

TEST_CASE("timer 5: persistent keepalive is put off by traffic either way", "[wg][timers]") {
  Timers timers(25s);
  timers.start_persistent(start);
  CHECK(timers.expire(start).keepalive);
  timers.authenticated_sent(start);
  CHECK(timers.deadline() == start + 25s);
  timers.authenticated_received(start + 7s);
  CHECK(timers.deadline() == start + 32s);
  CHECK(timers.expire(start + 32s).keepalive);
}

TEST_CASE("one initiation in five seconds, and the wish is not lost", "[wg][timers]") {
  Timers timers;
  timers.response_sent(start, jitter);
  CHECK_FALSE(timers.handshake_wanted(start + 1s));  // a response counts too
  CHECK(timers.deadline() == start + 5s + jitter);
  CHECK(timers.expire(start + 5s + jitter).retry);
}

TEST_CASE("a response sent after our initiation delays the retry, once", "[wg][timers]") {
  Timers timers;
  REQUIRE(timers.handshake_wanted(start));
  timers.initiation_sent(start, jitter);
  timers.response_sent(start + 4s, jitter);
  CHECK_FALSE(timers.expire(start + 5s + jitter).retry);
  CHECK(timers.expire(start + 9s + jitter).retry);
}

TEST_CASE("an initiator rekeys with the first packet sent after 120 s", "[wg][timers]") {
  Pair p;
  p.connect();
  Tap tap(p.world, p.client);
  p.world.run_for(118s);
  p.client.send(p.up());
  CHECK(tap.count(MessageType::initiation) == 0);
  p.world.run_for(2s);
  p.client.send(p.up());
  p.world.run_for(1s);
  CHECK(tap.count(MessageType::initiation) == 1);
  CHECK(p.client.sessions == 2);
  CHECK(p.server.sessions == 2);
}

TEST_CASE("a responder does not rekey by age while the initiator does", "[wg][timers]") {
  Pair p;
  p.connect();
  Tap tap(p.world, p.server);
  p.world.run_for(150s);
  p.server.send(p.down());
  p.world.run_for(1s);
  CHECK(tap.count(MessageType::initiation) == 0);
  CHECK(p.client.delivered.size() == 1);
}

TEST_CASE("an initiator that only receives rekeys after 165 s, once", "[wg][timers]") {
  Pair p;
  p.connect();
  Tap tap(p.world, p.client);
  p.world.run_for(163s);
  p.server.send(p.down());
  p.world.run_for(500ms);
  CHECK(tap.count(MessageType::initiation) == 0);
  p.world.wire.surgeon = [](const Flight& f) {  // the initiation is lost
    return type_of(f.bytes) == MessageType::initiation ? std::vector<base::Duration>{}
                                                       : std::vector<base::Duration>{10ms};
  };
  p.world.run_for(1s);
  for (int i = 0; i < 4; ++i) p.server.send(p.down()), p.world.run_for(500ms);
  CHECK(tap.count(MessageType::initiation) == 1);
}

TEST_CASE("tries end after 90 s: 20 initiations, jittered, and the staged packets go",
          "[wg][timers]") {
  Pair p;
  p.world.wire.faults.loss = 1'000'000;
  Tap tap(p.world, p.client);
  p.client.send(p.up());
  p.world.run_for(300s);
  REQUIRE(tap.count(MessageType::initiation) == 20);
  bool jittered = false;
  for (std::size_t i = 1; i < tap.sent.size(); ++i) {
    const auto gap = tap.sent[i].second - tap.sent[i - 1].second;
    CHECK(gap >= 5s);
    CHECK(gap <= 5s + 333ms);
    jittered = jittered || (i > 1 && gap != tap.sent[1].second - tap.sent[0].second);
  }
  CHECK(jittered);
  CHECK(p.client.drops(Drop::staged_overflow) == 1);
  // A new packet begins anew, and now it gets through.
  p.world.wire.faults.loss = 0;
  p.client.send(p.up(9));
  p.world.run_for(1s);
  REQUIRE(p.server.delivered.size() == 1);
  CHECK(p.server.delivered[0].bytes == p.up(9));
}

TEST_CASE("packets sent while trying prolong the tries", "[wg][timers]") {
  Pair p;
  p.world.wire.faults.loss = 1'000'000;
  Tap tap(p.world, p.client);
  for (int i = 0; i < 40; ++i) p.client.send(p.up()), p.world.run_for(5s);
  CHECK(tap.count(MessageType::initiation) > 30);
}

TEST_CASE("128 packets wait for a session and the newest survive", "[wg][timers][staging]") {
  Pair p;
  for (std::uint32_t i = 0; i < 200; ++i) p.client.send(p.up(i));
  p.world.run_for(1s);
  REQUIRE(p.server.delivered.size() == 128);
  CHECK(p.server.delivered.front().bytes == p.up(72));
  CHECK(p.server.delivered.back().bytes == p.up(199));
  CHECK(p.client.drops(Drop::staged_overflow) == 72);
}

TEST_CASE("an idle tunnel forgets its keys after 540 s and says so", "[wg][timers]") {
  Pair p;
  p.connect();
  p.world.run_for(537s);
  CHECK(p.client.sessions_lost == 0);
  p.world.run_for(3s);
  CHECK(p.client.sessions_lost == 1);
  CHECK(p.server.sessions_lost == 1);
  CHECK_FALSE(p.server.device->status(p.client_id).has_session);
  CHECK(p.server.device->next_deadline() == base::never);
  CHECK(p.client.device->next_deadline() == base::never);
  // Old datagrams have no index to go to.
  p.client.send(p.up());
  p.world.run_for(1s);
  CHECK(p.client.sessions == 2);
}

TEST_CASE("persistent keepalive dials at once and keeps the tunnel for an hour", "[wg][timers]") {
  Pair p(1, 25s);
  Tap tap(p.world, p.client);
  p.world.run_for(1s);
  CHECK(p.client.sessions == 1);
  p.world.run_for(3600s);
  CHECK(p.client.sessions_lost == 0);
  CHECK(p.server.sessions_lost == 0);
  CHECK(tap.keepalives >= 3600 / 25 - 30);
  CHECK(p.client.sessions >= 3600 / 180);
  CHECK(p.server.device->status(p.client_id).has_session);
}

TEST_CASE("both sides stop talking when nothing happens", "[wg][timers]") {
  Pair p;
  p.connect();
  p.client.send(p.up());
  p.world.run_for(30s);
  Tap tap(p.world, p.client);
  p.world.run_for(400s);
  CHECK(tap.sent.empty());
}
