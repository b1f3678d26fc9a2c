#include "wg/udp_socket.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <system_error>
#include <vector>

#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::wg;

namespace {

using Buffer = std::vector<std::byte>;
using Family = base::IpAddress::Family;

base::Endpoint at(std::string_view address, std::uint16_t port) {
  return {*base::IpAddress::parse(address), port};
}

// A descriptor that closes itself.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { close(fd_); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  operator int() const { return fd_; }

 private:
  int fd_;
};

std::uint16_t port_of(int fd) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) == 0);
  return base::Endpoint::from_sockaddr(name).port;
}

bool readable(int fd) {
  pollfd p{fd, POLLIN, 0};
  return poll(&p, 1, 2000) == 1;
}

Buffer datagram(std::size_t size, unsigned number) {
  Buffer bytes(size, static_cast<std::byte>(number % 251));
  std::memcpy(bytes.data(), &number, std::min(sizeof number, size));
  return bytes;
}

struct Received {
  Buffer bytes;
  Path from;
};

// One end: its counters, its descriptors of both families and the socket over them.
struct End {
  explicit End(UdpOptions options = {}, const char* v4 = "127.0.0.1")
      : fd_v4(bind_udp(at(v4, 0), false)),
        fd_v6(bind_udp(at("::1", 0), false)),
        socket(fd_v4, fd_v6, options, *counters) {}

  bool put(const Path& path, const Buffer& bytes, std::uint8_t tos = 0) {
    const base::MutableBytes room = socket.reserve(path, bytes.size(), tos);
    if (room.size() != bytes.size()) return false;
    std::ranges::copy(bytes, room.begin());
    return true;
  }

  // Waits until `count` datagrams are there, or nothing more comes.
  std::vector<Received> get(int fd, std::size_t count) {
    std::vector<Received> all;
    const auto keep = [&](base::MutableBytes bytes, const Path& from) {
      all.push_back({Buffer(bytes.begin(), bytes.end()), from});
    };
    while (all.size() < count && readable(fd)) take(fd, keep);
    return all;
  }
  void take(int fd, const UdpSocket::OnDatagram& on_datagram) {
    socket.fetch(fd, [](base::Bytes) { return 0u; });
    while (socket.hand_out(on_datagram, [] { return true; })) {
    }
  }
  std::uint64_t refused() const { return counters->drops.get(base::Drop::send_refused); }

  std::unique_ptr<base::WorkerCounters> counters = std::make_unique<base::WorkerCounters>();
  Fd fd_v4, fd_v6;
  UdpSocket socket;
};

Path path_to(int fd, std::string_view address) {
  return {at(address, port_of(fd)), {}, 0};
}

// Sends datagrams of these sizes and checks that they arrive whole, in order and unmerged.
void check_passes(End& from, End& to, Family family, const std::vector<std::size_t>& sizes) {
  const bool v4 = family == Family::v4;
  const int fd = v4 ? to.fd_v4 : to.fd_v6;
  const Path path = path_to(fd, v4 ? "127.0.0.1" : "::1");
  std::vector<Buffer> sent;
  for (std::size_t size : sizes) {
    sent.push_back(datagram(size, unsigned(sent.size())));
    REQUIRE(from.put(path, sent.back()));
  }
  CHECK(from.socket.pending());
  from.socket.flush();
  CHECK_FALSE(from.socket.pending());
  const auto received = to.get(fd, sent.size());
  REQUIRE(received.size() == sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i) {
    CAPTURE(i);
    REQUIRE(received[i].bytes == sent[i]);
    REQUIRE(received[i].from.remote ==
            at(v4 ? "127.0.0.1" : "::1", port_of(v4 ? from.fd_v4 : from.fd_v6)));
    REQUIRE(received[i].from.local == *base::IpAddress::parse(v4 ? "127.0.0.1" : "::1"));
  }
  CHECK(from.refused() == 0);
}

int plain_socket(const base::Endpoint& endpoint) {
  const int fd =
      socket(endpoint.address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_storage name{};
  const socklen_t size = endpoint.to_sockaddr(name);
  if (bind(fd, reinterpret_cast<sockaddr*>(&name), size) != 0)
    throw std::system_error(errno, std::generic_category(), "bind");
  return fd;
}

void send_plain(int fd, const base::Endpoint& to, const Buffer& bytes) {
  sockaddr_storage name{};
  const socklen_t size = to.to_sockaddr(name);
  REQUIRE(sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&name), size) ==
          ssize_t(bytes.size()));
}

}  // namespace

TEST_CASE("datagrams pass whole and in order, with and without GSO and GRO, over IPv4 and IPv6") {
  const std::vector<std::vector<std::size_t>> shapes = {
      {1},
      std::vector<std::size_t>(100, 1452),
      {1452, 1452, 600, 1452, 32, 32, 32, 148, 92, 1452, 1452, 1},
      std::vector<std::size_t>(150, 96),
      {9000, 9000, 65507, 100, 30000, 30000, 30000},
  };
  for (const bool gso : {true, false})
    for (const bool gro : {true, false})
      for (const Family family : {Family::v4, Family::v6})
        for (const auto& sizes : shapes) {
          CAPTURE(gso, gro, family == Family::v4, sizes.size(), sizes[0]);
          UdpOptions options;
          options.gso = gso;
          options.gro = gro;
          End from(options), to(options);
          check_passes(from, to, family, sizes);
        }
}

TEST_CASE("a run of equal datagrams leaves in one call and comes in one") {
  End from, to;
  if (from.socket.gso_state() != "on" || to.socket.gro_state() != "on") {
    WARN("not tested: this kernel has no UDP_SEGMENT or no UDP_GRO");
    return;
  }
  check_passes(from, to, Family::v4, std::vector<std::size_t>(200, 1452));
  CHECK(from.counters->send_calls.get() == 1);
  CHECK(from.counters->datagrams_out.get() == 200);
  CHECK(to.counters->receive_calls.get() <= 2);
  CHECK(to.counters->datagrams_in.get() == 200);
}

TEST_CASE("with the offloads off by setting nothing is coalesced, and batches still save calls") {
  UdpOptions plain;
  plain.gso = plain.gro = false;
  End from(plain), to(plain);
  CHECK(from.socket.gso_state() == "off");
  CHECK(to.socket.gro_state() == "off");
  check_passes(from, to, Family::v4, std::vector<std::size_t>(64, 500));
  CHECK(from.counters->send_calls.get() == 1);
  CHECK(to.counters->receive_calls.get() <= 5);
}

TEST_CASE("one flush serves both families and many peers") {
  End from;
  std::vector<std::unique_ptr<End>> to;
  for (int i = 0; i < 80; ++i) to.push_back(std::make_unique<End>());
  for (unsigned round = 0; round < 3; ++round)
    for (const auto& end : to) {
      REQUIRE(from.put(path_to(end->fd_v4, "127.0.0.1"), datagram(200, round)));
      REQUIRE(from.put(path_to(end->fd_v6, "::1"), datagram(300, round)));
    }
  from.socket.flush();
  for (const auto& end : to) {
    const auto v4 = end->get(end->fd_v4, 3), v6 = end->get(end->fd_v6, 3);
    REQUIRE((v4.size() == 3 && v6.size() == 3));
    for (unsigned round = 0; round < 3; ++round) {
      CHECK(v4[round].bytes == datagram(200, round));
      CHECK(v6[round].bytes == datagram(300, round));
    }
  }
  CHECK(from.counters->datagrams_out.get() == 480);
}

TEST_CASE("a full batch flushes itself, and reserve goes on") {
  End from, to;
  int size = 64 << 20;
  setsockopt(to.fd_v4, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  const Path path = path_to(to.fd_v4, "127.0.0.1");
  std::size_t received = 0;
  const auto count = [&](base::MutableBytes, const Path&) { ++received; };
  for (unsigned i = 0; i < 2000; ++i) {
    REQUIRE(from.put(path, datagram(1452, i)));
    to.take(to.fd_v4, count);
  }
  from.socket.flush();
  to.take(to.fd_v4, count);
  while (received + from.refused() < 2000 && readable(to.fd_v4)) to.take(to.fd_v4, count);
  CHECK(from.counters->datagrams_out.get() + from.refused() == 2000);
  CHECK(received == from.counters->datagrams_out.get());
}

TEST_CASE("a reservation taken back is not sent") {
  End from, to;
  const Path path = path_to(to.fd_v4, "127.0.0.1");
  REQUIRE(from.put(path, datagram(100, 1)));
  REQUIRE(from.put(path, datagram(100, 2)));
  from.socket.cancel_last();
  REQUIRE(from.put(path, datagram(100, 3)));
  from.socket.flush();
  const auto received = to.get(to.fd_v4, 2);
  REQUIRE(received.size() == 2);
  CHECK(received[0].bytes == datagram(100, 1));
  CHECK(received[1].bytes == datagram(100, 3));
}

TEST_CASE("nothing is reserved for a family without a socket, no address, port 0 or a giant") {
  base::WorkerCounters counters;
  const Fd fd(bind_udp(at("127.0.0.1", 0), false));
  UdpSocket socket(fd, -1, {}, counters);
  CHECK(socket.reserve({at("::1", 5), {}, 0}, 100, 0).empty());
  CHECK(socket.reserve({{{}, 5}, {}, 0}, 100, 0).empty());
  CHECK(socket.reserve({at("127.0.0.1", 0), {}, 0}, 100, 0).empty());
  CHECK(socket.reserve({at("127.0.0.1", 5), {}, 0}, 65508, 0).empty());
  CHECK_FALSE(socket.pending());
  CHECK(socket.reserve({at("127.0.0.1", 5), {}, 0}, 65507, 0).size() == 65507);
}

TEST_CASE("the address a datagram was sent to is told, and an answer leaves from it") {
  // On a wildcard socket only packet information can tell 127.0.0.x apart.
  End server({}, "0.0.0.0");
  for (const char* contacted : {"127.0.0.1", "127.0.0.2", "127.0.0.77"}) {
    CAPTURE(contacted);
    End client;
    const Path path = path_to(server.fd_v4, contacted);
    REQUIRE(client.put(path, datagram(148, 7)));
    client.socket.flush();
    const auto question = server.get(server.fd_v4, 1);
    REQUIRE(question.size() == 1);
    CHECK(question[0].from.local == *base::IpAddress::parse(contacted));
    CHECK(question[0].from.interface != 0);

    for (unsigned i = 0; i < 3; ++i) REQUIRE(server.put(question[0].from, datagram(92, i)));
    server.socket.flush();
    const auto answer = client.get(client.fd_v4, 3);
    REQUIRE(answer.size() == 3);
    CHECK(answer[2].from.remote == at(contacted, port_of(server.fd_v4)));
  }
}

TEST_CASE("a local address that has vanished is forgotten, and segmentation stays on") {
  End from({}, "0.0.0.0"), to;
  for (const bool v4 : {true, false}) {
    CAPTURE(v4);
    const int fd = v4 ? to.fd_v4 : to.fd_v6;
    Path path = path_to(fd, v4 ? "127.0.0.1" : "::1");
    path.local = *base::IpAddress::parse(v4 ? "198.51.100.9" : "2001:db8::9");  // not ours
    REQUIRE(from.put(path, datagram(100, 0)));
    from.socket.flush();
    for (unsigned i = 0; i < 10; ++i) REQUIRE(from.put(path, datagram(1000, i)));
    from.socket.flush();
    const auto received = to.get(fd, 11);
    REQUIRE(received.size() == 11);
    CHECK(received[10].bytes == datagram(1000, 9));
  }
  CHECK(from.refused() == 0);
  CHECK(from.socket.gso_state() == End().socket.gso_state());
}

TEST_CASE("where the kernel refuses segmentation, datagrams go one by one, whole and in order") {
  End from, to;
  if (from.socket.gso_state() != "on") {
    WARN("not tested: this kernel has no UDP_SEGMENT");
    return;
  }
  // The kernel segments only where it may compute checksums.
  const int on = 1;
  REQUIRE(setsockopt(from.fd_v4, SOL_SOCKET, SO_NO_CHECK, &on, sizeof on) == 0);
  check_passes(from, to, Family::v4, std::vector<std::size_t>(100, 1452));
  CHECK(from.socket.gso_state().starts_with("IPv4 refused: "));
  const auto calls = from.counters->send_calls.get();
  check_passes(from, to, Family::v4, std::vector<std::size_t>(60, 1452));
  CHECK(from.counters->send_calls.get() == calls + 1);  // not tried again, sent in one batch
}

TEST_CASE("segments longer than the MTU go one by one, and the kernel fragments them") {
  End from, to;
  if (from.socket.gso_state() != "on") {
    WARN("not tested: this kernel has no UDP_SEGMENT");
    return;
  }
  const int mtu = 1280;
  REQUIRE(setsockopt(from.fd_v6, IPPROTO_IPV6, IPV6_MTU, &mtu, sizeof mtu) == 0);
  check_passes(from, to, Family::v6, std::vector<std::size_t>(30, 1200));
  CHECK(from.socket.gso_state() == "on");
  check_passes(from, to, Family::v6, std::vector<std::size_t>(100, 1452));
  CHECK(from.socket.gso_state().find("IPv6 refused: ") != std::string::npos);
}

TEST_CASE("segmentation is tried again after thousands of datagrams") {
  End from, to;
  if (from.socket.gso_state() != "on") {
    WARN("not tested: this kernel has no UDP_SEGMENT");
    return;
  }
  int off = 1;
  REQUIRE(setsockopt(from.fd_v4, SOL_SOCKET, SO_NO_CHECK, &off, sizeof off) == 0);
  check_passes(from, to, Family::v4, {500, 500, 500});
  REQUIRE(from.socket.gso_state() != "on");
  off = 0;
  REQUIRE(setsockopt(from.fd_v4, SOL_SOCKET, SO_NO_CHECK, &off, sizeof off) == 0);
  for (int i = 0; i < 100; ++i)
    check_passes(from, to, Family::v4, std::vector<std::size_t>(100, 50));
  CHECK(from.socket.gso_state() == "on");
}

TEST_CASE("what the kernel refuses is counted, and the next datagrams pass") {
  End from, to;
  // No broadcast is allowed on this socket: EACCES.
  const Path bad{at("255.255.255.255", 9), {}, 0};
  for (unsigned i = 0; i < 5; ++i) REQUIRE(from.put(bad, datagram(100, i)));
  const Path good = path_to(to.fd_v4, "127.0.0.1");
  for (unsigned i = 0; i < 5; ++i) REQUIRE(from.put(good, datagram(100, i)));
  REQUIRE(from.put(bad, datagram(100, 5)));
  from.socket.flush();
  CHECK(to.get(to.fd_v4, 5).size() == 5);
  CHECK(from.refused() == 6);
  CHECK(from.counters->datagrams_out.get() == 5);
}

TEST_CASE("a socket whose buffer is full drops the rest of the batch, counts it and recovers") {
  UdpOptions options;
  options.send_buffer = 1;  // the kernel's minimum, 4608 bytes
  options.gso = false;
  End from(options), to;
  int small = 1;
  REQUIRE(setsockopt(from.fd_v4, SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
  const Path path = path_to(to.fd_v4, "127.0.0.1");
  // Loopback frees a datagram of the sender when the receiver has read it.
  for (unsigned i = 0; i < 50; ++i) REQUIRE(from.put(path, datagram(1400, i)));
  from.socket.flush();
  CHECK_FALSE(from.socket.pending());
  CHECK(from.counters->datagrams_out.get() + from.refused() == 50);
  const auto sent = from.counters->datagrams_out.get();
  const auto received = to.get(to.fd_v4, sent);
  CHECK(received.size() == sent);
  CHECK(from.put(path, datagram(1400, 99)));
  from.socket.flush();
  CHECK(to.get(to.fd_v4, 1).size() == 1);
}

TEST_CASE("the traffic class reaches the wire for both families and does not stick") {
  End from;
  for (const bool v4 : {true, false}) {
    CAPTURE(v4);
    const Fd fd(plain_socket(at(v4 ? "127.0.0.1" : "::1", 0)));
    const int on = 1;
    REQUIRE(setsockopt(fd, v4 ? int(IPPROTO_IP) : int(IPPROTO_IPV6),
                       v4 ? IP_RECVTOS : IPV6_RECVTCLASS, &on, sizeof on) == 0);
    const Path path = path_to(fd, v4 ? "127.0.0.1" : "::1");
    REQUIRE(from.put(path, datagram(148, 0), 0x88));
    REQUIRE(from.put(path, datagram(148, 1)));
    from.socket.flush();
    for (const int expected : {0x88, 0}) {
      std::array<std::byte, 200> bytes;
      alignas(cmsghdr) std::array<std::byte, 64> control;
      iovec place{bytes.data(), bytes.size()};
      msghdr header{};
      header.msg_iov = &place;
      header.msg_iovlen = 1;
      header.msg_control = control.data();
      header.msg_controllen = control.size();
      REQUIRE(readable(fd));
      REQUIRE(recvmsg(fd, &header, 0) == 148);
      int tos = 0;
      if (const cmsghdr* c = CMSG_FIRSTHDR(&header)) std::memcpy(&tos, CMSG_DATA(c), v4 ? 1 : 4);
      CHECK(tos == expected);
    }
  }
}

TEST_CASE("an empty datagram is handed out, and a fetch with nothing there is no error") {
  End end;
  const Fd sender(plain_socket(at("127.0.0.1", 0)));
  const auto never = [](base::MutableBytes, const Path&) { FAIL("nothing was sent"); };
  end.take(end.fd_v4, never);
  send_plain(sender, at("127.0.0.1", port_of(end.fd_v4)), {});
  const auto received = end.get(end.fd_v4, 1);
  REQUIRE(received.size() == 1);
  CHECK(received[0].bytes.empty());
}

namespace {

// A datagram whose first octet says whose it is, and whose others have its number.
Buffer datagram_of(unsigned sender, unsigned number) {
  Buffer bytes(60);
  bytes[0] = std::byte(sender);
  std::memcpy(&bytes[1], &number, sizeof number);
  return bytes;
}
std::uint32_t sender_of(base::Bytes bytes) {
  return std::to_integer<std::uint32_t>(bytes[0]);
}
unsigned number_of(base::Bytes bytes) {
  unsigned number;
  std::memcpy(&number, &bytes[1], sizeof number);
  return number;
}

}  // namespace

TEST_CASE("what is not handed out waits, and comes first the next time") {
  End from, end;
  for (unsigned i = 0; i < 40; ++i)
    REQUIRE(from.put(path_to(end.fd_v4, "127.0.0.1"), datagram_of(1, i)));
  from.socket.flush();
  REQUIRE(readable(end.fd_v4));
  end.socket.fetch(end.fd_v4, sender_of);
  unsigned count = 0;
  const auto counted = [&](base::MutableBytes bytes, const Path&) {
    CHECK(number_of(bytes) == count++);
  };
  CHECK(end.socket.hand_out(counted, [&] { return count < 16; }));
  CHECK(count == 16);
  CHECK_FALSE(end.socket.hand_out(counted, [] { return true; }));
  CHECK(count == 40);
}

TEST_CASE("who sends one datagram behind another's flood does not wait for the flood") {
  for (const bool offload : {true, false}) {
    End flood({.gso = offload, .gro = offload}), other, end({.gso = offload, .gro = offload});
    const Path path = path_to(end.fd_v4, "127.0.0.1");
    for (unsigned i = 0; i < 100; ++i) REQUIRE(flood.put(path, datagram_of(1, i)));
    flood.socket.flush();
    for (unsigned i = 0; i < 3; ++i) REQUIRE(other.put(path, datagram_of(2, i)));
    other.socket.flush();
    REQUIRE(readable(end.fd_v4));
    end.socket.fetch(end.fd_v4, sender_of);
    std::vector<unsigned> order, numbers[3];
    const auto noted = [&](base::MutableBytes bytes, const Path&) {
      order.push_back(sender_of(bytes));
      numbers[sender_of(bytes)].push_back(number_of(bytes));
    };
    CHECK_FALSE(end.socket.hand_out(noted, [] { return true; }));
    REQUIRE(order.size() == 103);
    CHECK(std::ranges::find(order, 2u) - order.begin() <= 8);
    for (const unsigned sender : {1u, 2u}) CHECK(std::ranges::is_sorted(numbers[sender]));
  }
}

TEST_CASE("of what is too much the sender loses who sent most, and it is counted") {
  const UdpOptions plain{.gso = false, .gro = false, .receive_places = 64};
  End flood(plain), other, end(plain);
  const Path path = path_to(end.fd_v4, "127.0.0.1");
  REQUIRE(other.put(path, datagram_of(2, 0)));
  other.socket.flush();
  constexpr unsigned many = 150;
  for (unsigned i = 0; i < many; ++i) REQUIRE(flood.put(path, datagram_of(1, i)));
  flood.socket.flush();
  REQUIRE(flood.counters->datagrams_out.get() == many);
  REQUIRE(readable(end.fd_v4));
  end.socket.fetch(end.fd_v4, sender_of);
  unsigned got[3] = {}, last = 0;
  const auto counted = [&](base::MutableBytes bytes, const Path&) {
    ++got[sender_of(bytes)];
    last = number_of(bytes);
  };
  while (end.socket.hand_out(counted, [] { return true; })) {
  }
  CHECK(got[2] == 1);
  CHECK(got[1] >= 40);
  CHECK(last == many - 1);  // the newest are kept
  CHECK(got[1] + end.counters->drops.get(base::Drop::no_buffer) == many);
  CHECK(end.counters->datagrams_in.get() == many + 1);
}

TEST_CASE("binding an address that is taken, or is not ours, says which") {
  const Fd first(bind_udp(at("127.0.0.1", 0), false));
  const std::uint16_t port = port_of(first);
  const auto what = [](const base::Endpoint& endpoint) -> std::string {
    try {
      const Fd fd(bind_udp(endpoint, false));
    } catch (const std::system_error& error) {
      return error.what();
    }
    return "";
  };
  CHECK(what(at("127.0.0.1", port)).find("127.0.0.1:" + std::to_string(port)) != std::string::npos);
  CHECK(what(at("198.51.100.9", 5)).find("198.51.100.9:5") != std::string::npos);
  CHECK(what(at("2001:db8::9", 5)).find("[2001:db8::9]:5") != std::string::npos);
}

namespace {

// Four sockets on one port, as the supervisor binds them for four workers.
struct Group {
  explicit Group(const char* address) : local(at(address, 0)) {
    for (unsigned i = 0; i < size; ++i) {
      fds.push_back(std::make_unique<Fd>(bind_udp(local, true)));
      local.port = port_of(*fds[0]);
    }
    REQUIRE(steer_by_receiver_index(*fds[0], size));
  }
  // The worker that gets `bytes`; each datagram goes to exactly one.
  unsigned worker_for(int sender, const Buffer& bytes) const {
    send_plain(sender, local, bytes);
    std::array<pollfd, size> polls;
    for (unsigned i = 0; i < size; ++i) polls[i] = {*fds[i], POLLIN, 0};
    REQUIRE(poll(polls.data(), polls.size(), 2000) == 1);
    for (unsigned i = 0; i < size; ++i)
      if (polls[i].revents != 0) {
        char sink[2000];
        REQUIRE(recv(*fds[i], sink, sizeof sink, 0) == ssize_t(bytes.size()));
        return i;
      }
    FAIL("nobody got it");
    return size;
  }
  static constexpr unsigned size = 4;
  base::Endpoint local;
  std::vector<std::unique_ptr<Fd>> fds;
};

Buffer message(unsigned type, std::size_t size, std::size_t index_at, unsigned worker) {
  Buffer bytes(size, std::byte{0x5a});
  bytes[0] = static_cast<std::byte>(type);
  bytes[1] = bytes[2] = bytes[3] = std::byte{0};
  bytes[index_at] = static_cast<std::byte>(worker);
  return bytes;
}

}  // namespace

TEST_CASE("datagrams are steered by the low byte of the receiver index") {
  for (const char* address : {"127.0.0.1", "::1"}) {
    CAPTURE(address);
    const Group group(address);
    const Fd sender(plain_socket(at(address, 0)));
    for (unsigned worker : {0u, 1u, 2u, 3u, 4u, 7u, 255u}) {
      CAPTURE(worker);
      CHECK(group.worker_for(sender, message(4, 32, 4, worker)) == worker % 4);
      CHECK(group.worker_for(sender, message(4, 1452, 4, worker)) == worker % 4);
      CHECK(group.worker_for(sender, message(3, 64, 4, worker)) == worker % 4);
      CHECK(group.worker_for(sender, message(2, 92, 8, worker)) == worker % 4);
    }
  }
}

TEST_CASE("an initiation goes to the same worker for one source, and sources are spread") {
  for (const char* address : {"127.0.0.1", "::1"}) {
    CAPTURE(address);
    const Group group(address);
    std::map<unsigned, int> shares;
    for (int i = 0; i < 60; ++i) {
      const Fd sender(plain_socket(at(address, 0)));
      const unsigned worker = group.worker_for(sender, message(1, 148, 4, 1));
      // Its cookie is known to that worker only, so the retry must come there as well.
      CHECK(group.worker_for(sender, message(1, 148, 4, 2)) == worker);
      ++shares[worker];
    }
    CHECK(shares.size() == 4);
  }
}

TEST_CASE("junk too short for an index is spread as well") {
  const Group group("127.0.0.1");
  std::map<unsigned, int> shares;
  for (int i = 0; i < 60; ++i) {
    const Fd sender(plain_socket(at("127.0.0.1", 0)));
    ++shares[group.worker_for(sender, Buffer(std::size_t(1 + i % 8), std::byte{4}))];
  }
  CHECK(shares.size() == 4);
}

TEST_CASE("steering refuses what is no socket and no workers") {
  const Fd fd(bind_udp(at("127.0.0.1", 0), true));
  CHECK_FALSE(steer_by_receiver_index(-1, 4));
  CHECK_FALSE(steer_by_receiver_index(fd, 0));
  CHECK(steer_by_receiver_index(fd, 1));
}
