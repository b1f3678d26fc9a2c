#include "control/ipfix.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>

#include "tests/control/support/records.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::control;
using namespace std::chrono_literals;
using End = proxy::FlowRecord::End;

namespace {

const base::Time start{1000s};
const base::WallTime wall{std::chrono::nanoseconds(test_epoch)};
using Bytes = std::span<const std::uint8_t>;

std::uint64_t number(Bytes bytes, std::size_t place, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | bytes[place + i];
  return value;
}

struct Told {
  explicit Told(proxy::FlowRecord r) : record(r) {}
  FlowChange change() const {
    return {record, record.up, record.down, true, peer, none, none, none};
  }
  proxy::FlowRecord record;
  std::string peer = "laptop", none;
};

Told told(End end = End::finished, base::Protocol protocol = base::Protocol::tcp,
          const char* client = "10.8.0.2:50000", const char* origin = "192.0.2.1:443") {
  return Told(flow(1, client, origin, {10, 1000, 600}, {20, 20000, 19000}, end, protocol));
}

// A collector's socket on loopback.
struct Collector {
  explicit Collector(std::uint16_t port = 0) {
    fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET, at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size);
    endpoint = base::Endpoint::from_sockaddr(name);
  }
  ~Collector() { close(); }
  void close() {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
  std::vector<std::vector<std::uint8_t>> messages() {
    std::vector<std::vector<std::uint8_t>> all;
    std::uint8_t bytes[2048];
    for (ssize_t n; (n = ::recv(fd, bytes, sizeof bytes, 0)) > 0;)
      all.push_back({bytes, bytes + n});
    return all;
  }
  int fd;
  base::Endpoint endpoint;
};

IpfixSettings to(const Collector& collector) {
  IpfixSettings settings;
  settings.collector = collector.endpoint;
  return settings;
}

}  // namespace

TEST_CASE("an IPFIX message has the header and sets of RFC 7011") {
  IpfixEncoder encoder(77);
  REQUIRE(encoder.add(told().change()));
  REQUIRE(encoder.add(told().change()));
  const Bytes message = encoder.finish(wall);
  CHECK(number(message, 0, 2) == 10);
  CHECK(number(message, 2, 2) == message.size());
  CHECK(number(message, 4, 4) == 1'800'000'000);
  CHECK(number(message, 8, 4) == 0);
  CHECK(number(message, 12, 4) == 77);
  CHECK(number(message, 16, 2) == IpfixEncoder::transport4);
  CHECK(number(message, 18, 2) == message.size() - 16);  // one set of both records
}

TEST_CASE("sequence numbers count data records, not templates and not messages") {
  IpfixEncoder encoder(1);
  encoder.add_templates();
  CHECK(number(encoder.finish(wall), 8, 4) == 0);
  encoder.begin();
  for (int i = 0; i < 3; ++i) REQUIRE(encoder.add(told().change()));
  CHECK(number(encoder.finish(wall), 8, 4) == 0);
  encoder.begin();
  REQUIRE(encoder.add(told().change()));
  CHECK(number(encoder.finish(wall), 8, 4) == 3);
}

TEST_CASE("a record holds what its template says") {
  IpfixEncoder encoder(1);
  REQUIRE(encoder.add(told().change()));
  const Bytes record = encoder.finish(wall).subspan(20);
  CHECK(number(record, 0, 8) == test_epoch / 1'000'000);
  CHECK(number(record, 8, 8) == test_epoch / 1'000'000 + 1500);
  CHECK(number(record, 16, 4) == 0x0a080002);
  CHECK(number(record, 20, 4) == 0xc0000201);
  CHECK(number(record, 24, 2) == 50000);
  CHECK(number(record, 26, 2) == 443);
  CHECK(number(record, 28, 1) == 6);
  CHECK(number(record, 29, 1) == 3);
  CHECK(number(record, 30, 1) == 1);
  CHECK(number(record, 31, 8) == 1000);
  CHECK(number(record, 39, 8) == 10);
  CHECK(number(record, 47, 8) == 20000);
  CHECK(number(record, 55, 8) == 20);
  CHECK(number(record, 63, 1) == 6);
  CHECK(std::string(record.begin() + 64, record.begin() + 70) == "laptop");
  CHECK(number(record, 70, 1) == 0);  // no domain is known, or may be
  CHECK(record.size() == 71);
}

TEST_CASE("a record has the domain that its flow record has, as the last element") {
  IpfixEncoder encoder(1);
  Told flow = told();
  flow.record.set_domain("www.example.org");
  REQUIRE(encoder.add(flow.change()));
  const Bytes record = encoder.finish(wall).subspan(20);
  CHECK(number(record, 70, 1) == 15);
  CHECK(std::string(record.begin() + 71, record.end()) == "www.example.org");
}

TEST_CASE("templates declare lengths that records have") {
  IpfixEncoder encoder(1);
  encoder.add_templates();
  const std::vector<std::uint8_t> message(encoder.finish(wall).begin(), encoder.finish(wall).end());
  std::map<std::uint64_t, std::size_t> lengths;
  std::size_t place = 20, reverse = 0;
  while (place < message.size()) {
    const auto id = number(message, place, 2), fields = number(message, place + 2, 2);
    place += 4;
    for (std::uint64_t i = 0; i < fields; ++i, place += 4) {
      const auto length = number(message, place + 2, 2);
      const bool domain = number(message, place, 2) == (0x8000 | 179);
      lengths[id] += domain ? 1 : length == 0xffff ? 1 + 6 : length;
      if (number(message, place, 2) & 0x8000) {
        CHECK(number(message, place + 4, 4) == (domain ? 6871 : 29305));
        place += 4, reverse += domain ? 0 : 1;
      }
    }
  }
  CHECK(reverse == 8);
  const auto length = [](const Told& what) {
    IpfixEncoder one(1);
    REQUIRE(one.add(what.change()));
    const Bytes bytes = one.finish(wall);
    return std::pair(number(bytes, 16, 2), bytes.size() - 20);
  };
  const char *client6 = "[fd08::2]:5000", *origin6 = "[2001:db8::1]:443";
  for (const Told& each : {told(), told(End::idle, base::Protocol::icmp),
                           told(End::idle, base::Protocol::udp, client6, origin6),
                           told(End::idle, base::Protocol::icmp6, client6, origin6)}) {
    const auto [id, size] = length(each);
    CHECK(lengths.at(id) == size);
  }
}

TEST_CASE("the source of a forwarded flow is who opened it, from outside") {
  Told what = told();
  what.record.forward = true;
  IpfixEncoder encoder(1);
  REQUIRE(encoder.add(what.change()));
  const Bytes record = encoder.finish(wall).subspan(20);
  CHECK(number(record, 16, 4) == 0xc0000201);
  CHECK(number(record, 24, 2) == 443);
  CHECK(number(record, 31, 8) == 20000);
  CHECK(number(record, 47, 8) == 1000);
}

TEST_CASE("messages stay within 1400 bytes and every record is sent") {
  Collector collector;
  IpfixExporter exporter(to(collector));
  const Told what = told();
  for (int i = 0; i < 100; ++i) exporter.add(what.change(), start, wall);
  exporter.flush(wall);
  const auto messages = collector.messages();
  REQUIRE(messages.size() > 2);
  CHECK(number(messages[0], 16, 2) == 2);  // the templates come first
  for (const auto& message : messages) {
    CHECK(message.size() <= 1400);
    CHECK(number(message, 2, 2) == message.size());
  }
  CHECK(exporter.stats().records == 100);
  CHECK(exporter.stats().lost == 0);
}

TEST_CASE("templates come again at their interval, and a record waits a second at most") {
  Collector collector;
  IpfixExporter exporter(to(collector));
  exporter.tick(start, wall);
  CHECK(collector.messages().size() == 1);
  exporter.tick(start + 59s, wall);
  CHECK(collector.messages().empty());
  exporter.tick(start + 60s, wall);
  CHECK(collector.messages().size() == 1);
  exporter.add(told().change(), start + 61s, wall);
  exporter.tick(start + 61s, wall);
  CHECK(collector.messages().empty());
  exporter.tick(start + 62s, wall);
  CHECK(collector.messages().size() == 1);
}

TEST_CASE("a collector that is away is counted, and has the templates when it is back") {
  Collector collector;
  IpfixExporter exporter(to(collector));
  exporter.tick(start, wall);
  collector.close();
  for (int i = 0; i < 3; ++i) {
    exporter.add(told().change(), start, wall);
    exporter.flush(wall);
  }
  CHECK(exporter.stats().failed > 0);
  CHECK(exporter.stats().lost > 0);
  CHECK_FALSE(exporter.trouble().empty());
  CHECK(exporter.stats().records + exporter.stats().lost == 3);
  CHECK(exporter.stats().records <= 1);  // the last one's refusal is heard by the next

  Collector back(collector.endpoint.port);
  exporter.tick(start + 5s, wall);
  const auto messages = back.messages();
  REQUIRE_FALSE(messages.empty());
  CHECK(number(messages[0], 16, 2) == 2);
  exporter.add(told().change(), start + 6s, wall);
  exporter.flush(wall);
  CHECK(exporter.trouble().empty());
}
