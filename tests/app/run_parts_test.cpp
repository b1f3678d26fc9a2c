// The parts of `culvert run` that need no process of their own.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "app/control_message.hpp"
#include "app/inbox.hpp"
#include "app/limit_shares.hpp"
#include "app/overlay.hpp"
#include "app/peer_reports.hpp"
#include "app/restart_backoff.hpp"
#include "app/shared_state.hpp"
#include "base/checksum.hpp"
#include "base/headers.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace std::chrono_literals;
using app::ControlMessage;
using app::Letter;

namespace {

wg::Path path_v4() {
  return {*base::Endpoint::parse("192.0.2.7:4567"), *base::IpAddress::parse("198.51.100.1"), 3};
}
wg::Path path_v6() {
  return {*base::Endpoint::parse("[2001:db8::7]:4567"), {}, 0};
}

proxy::FlowRecord flow() {
  proxy::FlowRecord record{.id = 77,
                           .peer = 3,
                           .end = proxy::FlowRecord::End::none,
                           .state = proxy::FlowRecord::State::half_closed,
                           .forward = true,
                           .key = {*base::Endpoint::parse("10.8.0.2:1234"),
                                   *base::Endpoint::parse("192.0.2.1:443"), base::Protocol::tcp},
                           .started = 1'700'000'000'000'000'000,
                           .last = 1'700'000'001'000'000'000,
                           .up = {1, 2, 3},
                           .down = {4, 5, UINT64_MAX}};
  record.set_domain("www.example.com");
  return record;
}

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> packet_to(std::string_view destination, std::uint8_t ttl) {
  const auto to = *base::IpAddress::parse(destination);
  const auto from = *base::IpAddress::parse(to.is_v4() ? "10.8.0.2" : "fd08::2");
  std::array<std::byte, base::max_ip_header> head{};
  const std::size_t size = base::build_ip_header(
      {.source = from, .destination = to, .protocol = 17, .ttl = ttl, .fragment = {}}, 8, head);
  std::vector<std::byte> packet(head.begin(), head.begin() + std::ptrdiff_t(size));
  packet.resize(size + 8);
  return packet;
}

}  // namespace

TEST_CASE("every control message survives its line") {
  const ControlMessage messages[] = {app::Ready{"on", "refused: \"x\"", "landlock 7, seccomp"},
                                     app::Failed{"culvert.toml:3: no"},
                                     app::PeerUp{0, path_v4()},
                                     app::PeerMoved{4'000'000'000u, path_v6()},
                                     app::PeerDown{7},
                                     app::Done{18'446'744'073'709'551'615u, "no \"room\""},
                                     app::FlowList{9, {}},
                                     app::FlowList{10, {flow(), flow()}}};
  for (const ControlMessage& message : messages) {
    const std::string line = to_line(message);
    REQUIRE(line.ends_with('\n'));
    REQUIRE(line.find('\n') == line.size() - 1);
    const auto back = app::parse_line(line);
    REQUIRE(back.has_value());
    CHECK(*back == message);
  }
}

TEST_CASE("a line that is no control message is refused") {
  for (
      const char* line : {
          "",
          "{",
          "[]",
          "7",
          "null",
          R"("stop")",
          R"({"do":"stop","order":1})",
          R"({"event":"x"})",
          R"({"event":"peer_down"})",
          R"({"event":"peer_down","peer":-1})",
          R"({"event":"peer_down","peer":4294967296})",
          R"({"event":"peer_down","peer":"1"})",
          R"({"event":"peer_up","peer":1,"remote":"nowhere","local":"","interface":0})",
          R"({"event":"peer_up","peer":1,"remote":"1.2.3.4:5","local":"::1","interface":0})",
          R"({"event":"peer_up","peer":1,"remote":"1.2.3.4:5","local":"","interface":-1})",
          R"({"event":"done","error":""})",
          R"({"event":"flows","order":1})",
          R"({"event":"flows","order":1,"flows":[7]})",
          R"({"event":"flows","order":1,"flows":[[1,2,0,2,0,6,0,0,0,0,0,0,0,0,"1.2.3.4:1"]]})",
          R"({"event":"flows","order":1,"flows":[[1,2,9,2,0,6,0,0,0,0,0,0,0,0,"1.2.3.4:1","1.2.3.4:2"]]})",
          R"({"event":"flows","order":1,"flows":[[1,2,0,2,0,7,0,0,0,0,0,0,0,0,"1.2.3.4:1","1.2.3.4:2"]]})",
          R"({"event":"flows","order":1,"flows":[[1,-2,0,2,0,6,0,0,0,0,0,0,0,0,"1.2.3.4:1","1.2.3.4:2"]]})",
      }) {
    INFO(line);
    CHECK_FALSE(app::parse_line(line).has_value());
  }
}

TEST_CASE("text from a worker reaches the log without control characters and not at any length") {
  const auto message = app::parse_line("{\"event\":\"failed\",\"error\":\"a\\nb\\u001b[31m" +
                                       std::string(10'000, 'x') + "\"}");
  REQUIRE(message.has_value());
  const std::string& error = std::get<app::Failed>(*message).error;
  CHECK(error.starts_with("a?b?[31mxx"));
  CHECK(error.size() == 500);
}

TEST_CASE("a letter between workers keeps its path and its bytes") {
  const auto body = bytes_of("the datagram");
  for (const Letter& letter : {Letter{Letter::Kind::initiation, path_v4(), body},
                               Letter{Letter::Kind::initiation, path_v6(), body},
                               Letter{Letter::Kind::packet, {}, body}}) {
    app::Inboxes inboxes(1);
    REQUIRE(app::post_letter(inboxes.write_ends[0].get(), letter));
    app::LetterReader reader;
    int seen = 0;
    CHECK_FALSE(reader.read(inboxes.read_ends[0].get(), 8,
                            [&](const Letter& got, base::MutableBytes scratch) {
                              ++seen;
                              CHECK(got.kind == letter.kind);
                              CHECK(got.from == letter.from);
                              CHECK(std::ranges::equal(got.body, body));
                              CHECK(std::ranges::equal(scratch, body));
                            }));
    CHECK(seen == 1);
  }
}

TEST_CASE("a letter that is cut short or names no family or kind is refused") {
  std::array<std::byte, app::letter_head_size> head;
  app::build_letter_head({Letter::Kind::initiation, path_v4(), {}}, head);
  std::vector<std::byte> good(head.begin(), head.end());
  good.push_back(std::byte{1});
  REQUIRE(app::parse_letter(good).has_value());

  for (std::size_t size = 0; size <= app::letter_head_size; ++size)
    CHECK_FALSE(app::parse_letter(std::span(good).first(size)).has_value());
  const auto broken = [&](std::size_t at, int value) {
    auto bytes = good;
    bytes[at] = std::byte(value);
    return app::parse_letter(bytes).has_value();
  };
  CHECK_FALSE(broken(0, 0));
  CHECK_FALSE(broken(0, 3));
  CHECK_FALSE(broken(1, 5));
  CHECK_FALSE(broken(20, 9));
  CHECK_FALSE(broken(1, 0));  // an initiation from nowhere
}

TEST_CASE("a full inbox drops and does not block") {
  app::Inboxes inboxes(1);
  const std::vector<std::byte> body(1400);
  int posted = 0;
  while (posted < 100'000 &&
         app::post_letter(inboxes.write_ends[0].get(), {Letter::Kind::packet, {}, body}))
    ++posted;
  CHECK(posted > 50);
  CHECK(posted < 100'000);
  app::LetterReader reader;
  int read = 0;
  CHECK(reader.read(inboxes.read_ends[0].get(), 10, [&](const Letter&, auto) { ++read; }));
  CHECK(read == 10);
  CHECK(app::post_letter(inboxes.write_ends[0].get(), {Letter::Kind::packet, {}, body}));
}

TEST_CASE("the longest prefix of all workers' peers decides where an address belongs") {
  app::PeerRoutes routes;
  routes.add(*base::Prefix::parse("10.8.0.0/24"), {1, 0});
  routes.add(*base::Prefix::parse("10.8.0.7/32"), {2, 1});
  routes.add(*base::Prefix::parse("fd08::/64"), {3, 1});
  const auto peer_of = [&](const char* address) -> int {
    const auto route = routes.find(*base::IpAddress::parse(address));
    return route ? int(route->peer) : -1;
  };
  CHECK(peer_of("10.8.0.1") == 1);
  CHECK(peer_of("10.8.0.7") == 2);
  CHECK(peer_of("fd08::99") == 3);
  CHECK(peer_of("10.8.1.1") == -1);
  CHECK(peer_of("fd09::1") == -1);
  routes.add(*base::Prefix::parse("10.8.0.7/32"), {1, 0});
  CHECK(peer_of("10.8.0.7") == 1);
}

TEST_CASE("a packet between clients loses one of its TTL and stays correct") {
  for (const char* destination : {"10.8.0.3", "fd08::3"})
    for (const std::uint8_t ttl : {std::uint8_t(2), std::uint8_t(64), std::uint8_t(255)}) {
      auto packet = packet_to(destination, ttl);
      REQUIRE(app::decrement_ttl(packet));
      const auto view = base::IpView::parse(packet);  // checks the header checksum
      REQUIRE(view.has_value());
      CHECK(view->ttl == ttl - 1);
    }
}

TEST_CASE("the IPv4 checksum is right for every identification when the TTL goes down") {
  auto packet = packet_to("10.8.0.3", 64);
  for (unsigned id = 0; id <= 0xffff; ++id) {
    base::store_be16(&packet[4], std::uint16_t(id));
    packet[8] = std::byte{64};
    base::store_be16(&packet[10], 0);
    base::store_be16(&packet[10],
                     base::checksum_finish(base::checksum_add(std::span(packet).first(20))));
    app::decrement_ttl(packet);
    const auto sum = base::checksum_finish(base::checksum_add(std::span(packet).first(20)));
    if (sum != 0) FAIL("identification " << id);
  }
}

TEST_CASE("what the overlay does not carry is left to the proxy untouched") {
  app::PeerRoutes routes;
  routes.add(*base::Prefix::parse("10.8.0.2/32"), {0, 0});
  routes.add(*base::Prefix::parse("10.8.0.3/32"), {1, 1});
  routes.add(*base::Prefix::parse("10.8.0.0/24"), {2, 0});
  const app::Overlay overlay(routes, {*base::IpAddress::parse("10.8.0.1")});
  const auto untouched = [&](std::vector<std::byte> packet, std::uint32_t sender) {
    const auto before = packet;
    return !overlay.take(packet, sender) && packet == before;
  };
  CHECK(untouched(packet_to("192.0.2.1", 64), 0));  // no peer's
  CHECK(untouched(packet_to("10.8.0.1", 64), 0));   // the server's own address
  CHECK(untouched(packet_to("10.8.0.2", 64), 0));   // back to the sender
  CHECK(untouched(packet_to("10.8.0.3", 1), 0));    // its TTL ends here
  CHECK(untouched({}, 0));

  auto packet = packet_to("10.8.0.3", 64);
  CHECK(overlay.take(packet, 0) == app::PeerRoute{1, 1});
  CHECK(packet[8] == std::byte{63});
}

TEST_CASE("counters of workers and peers are seen by the process that mapped them") {
  app::SharedState counters(2, 3);
  CHECK(counters.worker_count() == 2);
  CHECK(counters.peer_capacity() >= 6);
  CHECK(reinterpret_cast<std::uintptr_t>(&counters.peer(1)) % 64 == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    counters.worker(1).drops.add(base::Drop::bad_tag, 5);
    counters.peer(2).up_bytes.add(1000);
    counters.peer(counters.peer_capacity() - 1).down_bytes.add(1);
    ::_exit(0);
  }
  REQUIRE(child > 0);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  CHECK(counters.worker(1).drops.get(base::Drop::bad_tag) == 5);
  CHECK(counters.worker(0).drops.total() == 0);
  CHECK(counters.peer(2).up_bytes.get() == 1000);
  CHECK(counters.peer(counters.peer_capacity() - 1).down_bytes.get() == 1);
}

TEST_CASE("a new worker starts with gauges at zero and keeps the sums") {
  app::SharedState counters(1, 1);
  counters.peer(0).tcp_open.add(3);
  counters.peer(0).tcp_flows.add(9);
  counters.worker(0).tcp_open.add(3);
  counters.worker(0).dials.add(9);
  app::reset_gauges(counters.peer(0));
  app::reset_gauges(counters.worker(0));
  CHECK(counters.peer(0).tcp_open.get() == 0);
  CHECK(counters.worker(0).tcp_open.get() == 0);
  CHECK(counters.peer(0).tcp_flows.get() == 9);
  CHECK(counters.worker(0).dials.get() == 9);
}

TEST_CASE("the first restart is immediate, the next wait longer, and a long life starts over") {
  app::RestartBackoff backoff;
  CHECK(backoff.next(1s) == 0s);
  CHECK(backoff.next(1s) == 100ms);
  CHECK(backoff.next(1s) == 200ms);
  for (int i = 0; i < 10; ++i) backoff.next(0s);
  CHECK(backoff.next(0s) == 5s);
  CHECK(backoff.next(10s) == 0s);
  CHECK(backoff.next(0s) == 100ms);
}

TEST_CASE("a peer that moves all the time is reported once a second, its last place always") {
  app::PeerReports reports(2);
  std::vector<ControlMessage> said;
  const auto send = [&](const ControlMessage& message) { return said.push_back(message), true; };
  const base::Time start{1000s};
  auto path = path_v4();
  reports.moved(1, path);
  reports.up(1);
  reports.flush(send, start);
  REQUIRE(said == std::vector<ControlMessage>{app::PeerUp{1, path}});

  said.clear();
  for (std::uint16_t port = 1; port <= 100; ++port) {
    path.remote.port = port;
    reports.moved(1, path);
    reports.flush(send, start + port * 1ms);
  }
  CHECK(said.size() == 1);  // the first
  CHECK(reports.next_deadline() == start + 1ms + app::PeerReports::move_interval);
  reports.flush(send, reports.next_deadline());
  REQUIRE(said.size() == 2);
  CHECK(said[1] == ControlMessage(app::PeerMoved{1, path}));
  CHECK(reports.next_deadline() == base::never);

  said.clear();
  reports.moved(1, path);  // where it is already
  reports.down(1);
  reports.flush(send, start + 5s);
  CHECK(said == std::vector<ControlMessage>{app::PeerDown{1}});
}

TEST_CASE("limits for all workers together are shared out and never become none") {
  proxy::Limits limits;
  limits.tcp_dials_total = 2048;
  limits.udp_mappings_total = 3;
  limits.tcp_flows_total = 0;
  const proxy::Limits share = app::limits_per_worker(limits, 8);
  CHECK(share.tcp_dials_total == 256);
  CHECK(share.udp_mappings_total == 1);
  CHECK(share.tcp_flows_total == 0);  // from the limit of open files, which is per process
  CHECK(share.tcp_flows == limits.tcp_flows);
}
