#include "tests/dns/upstream_world.hpp"

#include <fcntl.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>

#include "dns/message.hpp"
#include "tests/support/catch.hpp"

namespace culvert::test {
namespace {

sockaddr_storage storage_of(const base::Endpoint& endpoint, socklen_t& size) {
  sockaddr_storage address{};
  size = endpoint.to_sockaddr(address);
  return address;
}

base::Endpoint bound(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return base::Endpoint::from_sockaddr(address);
}

base::FileDescriptor open_on(const char* host, std::uint16_t port, int type) {
  const auto address = base::IpAddress::parse(host);
  REQUIRE(address);
  base::FileDescriptor fd(
      ::socket(address->is_v4() ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  socklen_t size = 0;
  const sockaddr_storage to = storage_of({*address, port}, size);
  REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&to), size) == 0);
  return fd;
}

// OpenSSL writes to the test's own sockets without MSG_NOSIGNAL. What is tested may not rely on it.
struct NoBrokenPipe {
  void (*before)(int) = ::signal(SIGPIPE, SIG_IGN);
  ~NoBrokenPipe() { ::signal(SIGPIPE, before); }
};

}  // namespace

Message answer(base::Bytes query, std::uint8_t last_octet, std::uint8_t rcode) {
  dns::MessageReader reader(query);
  dns::Question question;
  REQUIRE(reader.question(question));
  const std::size_t end = dns::header_size + question.name.size() + 4;
  Message out(query.begin(), query.begin() + std::ptrdiff_t(end));
  out[2] = std::byte{0x81}, out[3] = std::byte(0x80 | rcode);
  for (std::size_t i = 6; i < 12; ++i) out[i] = std::byte{0};
  if (rcode != 0) return out;
  out[7] = std::byte{1};
  if (question.type == dns::type::aaaa) return out[7] = std::byte{0}, out;
  const std::uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 127, 0, 0, last_octet};
  for (std::uint8_t octet : record) out.push_back(std::byte(octet));
  return out;
}

Message with_flag(Message message, std::size_t octet, std::uint8_t bits) {
  message[octet] |= std::byte(bits);
  return message;
}

std::uint16_t id_of(base::Bytes message) {
  return std::uint16_t(std::uint8_t(message[0]) << 8 | std::uint8_t(message[1]));
}

std::uint8_t last_octet(base::Bytes message) {
  dns::MessageReader reader(message);
  dns::Record record;
  return reader.next(record) && record.rdata.size() == 4 ? std::uint8_t(record.rdata[3]) : 0;
}

UdpServer::UdpServer(Handler handler, std::uint16_t port, const char* address)
    : handler_(std::move(handler)), fd_(open_on(address, port, SOCK_DGRAM)), host_(address) {
  port_ = bound(fd_.get()).port;
}

std::string UdpServer::address() const {
  return base::Endpoint{*base::IpAddress::parse(host_), port_}.to_string();
}

void UdpServer::send(const Message& message, const base::Endpoint& to) {
  socklen_t size = 0;
  const sockaddr_storage address = storage_of(to, size);
  ::sendto(fd_.get(), message.data(), message.size(), 0,
           reinterpret_cast<const sockaddr*>(&address), size);
}

void UdpServer::poll() {
  std::array<std::byte, 65536> buffer;
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  ssize_t n = 0;
  while (fd_ && (n = ::recvfrom(fd_.get(), buffer.data(), buffer.size(), 0,
                                reinterpret_cast<sockaddr*>(&from), &size)) > 0) {
    ++queries;
    last = base::Endpoint::from_sockaddr(from);
    ports.push_back(last.port);
    const base::Bytes query = base::Bytes(buffer).first(std::size_t(n));
    ids.push_back(id_of(query));
    for (const Message& reply : handler_(query)) send(reply, last);
    size = sizeof from;
  }
}

TcpServer::Connection::~Connection() {
  SSL_free(static_cast<SSL*>(ssl));
}

void TcpServer::Connection::send(base::Bytes bytes) {
  const NoBrokenPipe quiet;
  if (!fd) return;
  if (ssl != nullptr)
    SSL_write(static_cast<SSL*>(ssl), bytes.data(), int(bytes.size()));
  else
    ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

TcpServer::TcpServer(Handler handler, void* tls, std::uint16_t port)
    : handler_(std::move(handler)), tls_(tls), fd_(open_on("127.0.0.1", port, SOCK_STREAM)) {
  REQUIRE(::listen(fd_.get(), 64) == 0);
  port_ = bound(fd_.get()).port;
}

void TcpServer::close_all() {
  connections.clear();
}

void TcpServer::poll() {
  const NoBrokenPipe quiet;
  int fd = -1;
  while (fd_ && (fd = ::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    Connection& connection = connections.emplace_back();
    connection.fd = base::FileDescriptor(fd);
    ++accepted;
    if (tls_ == nullptr) continue;
    SSL* const ssl = SSL_new(static_cast<SSL_CTX*>(tls_));
    SSL_set_fd(ssl, fd);
    SSL_set_accept_state(ssl);
    connection.ssl = ssl;
  }
  connections.remove_if([this](Connection& connection) { return !serve(connection); });
}

bool TcpServer::serve(Connection& connection) {
  std::array<std::byte, 16384> buffer;
  for (;;) {
    ssize_t n = 0;
    if (connection.ssl != nullptr) {
      SSL* const ssl = static_cast<SSL*>(connection.ssl);
      const bool was = SSL_is_init_finished(ssl) == 1;
      n = SSL_read(ssl, buffer.data(), int(buffer.size()));
      if (!was && SSL_is_init_finished(ssl) == 1 && SSL_session_reused(ssl) == 1) ++resumed;
      if (n <= 0 && SSL_get_error(ssl, int(n)) == SSL_ERROR_WANT_READ) break;
    } else {
      n = ::recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
      if (n < 0 && errno == EAGAIN) break;
    }
    if (n <= 0) return false;
    connection.in.insert(connection.in.end(), buffer.begin(), buffer.begin() + n);
  }
  if (!connection.in.empty() || connection.state) handler_(connection);
  return !connection.closing;
}

TcpServer::Handler on_frames(std::function<void(TcpServer::Connection&, base::Bytes)> use) {
  return [use = std::move(use)](TcpServer::Connection& connection) {
    Message& in = connection.in;
    while (in.size() >= 2) {
      const std::size_t size = std::size_t(std::uint8_t(in[0]) << 8 | std::uint8_t(in[1]));
      if (in.size() < 2 + size) return;
      const Message frame(in.begin() + 2, in.begin() + std::ptrdiff_t(2 + size));
      in.erase(in.begin(), in.begin() + std::ptrdiff_t(2 + size));
      use(connection, frame);
    }
  };
}

Message framed(const Message& message) {
  Message out(2 + message.size());
  out[0] = std::byte(message.size() >> 8), out[1] = std::byte(message.size() & 0xff);
  std::copy(message.begin(), message.end(), out.begin() + 2);
  return out;
}

World::World(dns::Settings settings, const dns::TrustStore* trust, base::IpAddress source4) {
  upstreams = std::make_unique<dns::Upstreams>(
      dns::Upstreams::Parts{
          io, poller, random, trust, counters, source4, {}, [this] { return now; }},
      settings);
}

std::shared_ptr<Outcome> World::ask(const std::string& text, std::uint32_t set,
                                    std::uint16_t type) {
  const auto outcome = std::make_shared<Outcome>();
  const auto name = dns::Name::parse(text);
  REQUIRE(name);
  dns::Asking::Ask what;
  what.name = &*name, what.type = type, what.set = set;
  upstreams->ask(what, [outcome](const dns::Asking::Reply& reply) {
    REQUIRE_FALSE(outcome->done);
    outcome->done = true;
    outcome->reply = reply;
    outcome->message.assign(reply.message.begin(), reply.message.end());
  });
  CHECK_FALSE(outcome->done);
  return outcome;
}

void World::turn() {
  io.poll();
  io.restart();
  if (upstreams->next_deadline() <= now) upstreams->tick(now);
  upstreams->flush();
  poller.arm();
  for (TestServer* server : servers) server->poll();
}

bool World::run(const std::function<bool()>& until) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!until()) {
    if (std::chrono::steady_clock::now() > end) return false;
    turn();
    ::usleep(20);
  }
  turn();
  return true;
}

void World::settle() {
  for (int i = 0; i < 100; ++i) turn(), ::usleep(50);
}

void World::advance(base::Duration by) {
  settle();
  now += by;
  upstreams->tick(now);
  settle();
}

dns::Settings settings_of(std::vector<std::string> upstream) {
  dns::Settings settings;
  settings.upstream = std::move(upstream);
  return settings;
}

}  // namespace culvert::test
