// Upstreams with servers of the test beside it, all in one thread: real sockets on the loopback,
// time as the test says.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/file_descriptor.hpp"
#include "base/random.hpp"
#include "dns/upstreams.hpp"

namespace culvert::test {

using Message = std::vector<std::byte>;
using Replies = std::vector<Message>;

class SeededRandom final : public base::Random {
 public:
  explicit SeededRandom(std::uint64_t seed = 1) : engine_(seed) {}
  void fill(base::MutableBytes out) noexcept override {
    for (std::byte& octet : out) octet = std::byte(engine_() & 0xff);
  }

 private:
  std::mt19937_64 engine_;
};

// A server is polled in every turn of the World.
class TestServer {
 public:
  virtual ~TestServer() = default;
  virtual void poll() = 0;
};

// Answers of a server: one A record, the last octet of which tells who answered.
Message answer(base::Bytes query, std::uint8_t last_octet = 1, std::uint8_t rcode = 0);
Message with_flag(Message message, std::size_t octet, std::uint8_t bits);
std::uint16_t id_of(base::Bytes message);
std::uint8_t last_octet(base::Bytes message);  // of the A record; 0 = none

class UdpServer final : public TestServer {
 public:
  using Handler = std::function<Replies(base::Bytes query)>;
  explicit UdpServer(Handler handler, std::uint16_t port = 0, const char* address = "127.0.0.1");
  void poll() override;
  std::uint16_t port() const { return port_; }
  std::string address() const;
  void close() { fd_.reset(); }

  unsigned queries = 0;
  std::vector<std::uint16_t> ports, ids;  // of who asked
  base::Endpoint last;                    // who asked last
  void send(const Message& message, const base::Endpoint& to);

 private:
  Handler handler_;
  base::FileDescriptor fd_;
  std::string host_;
  std::uint16_t port_ = 0;
};

// One connection of a TCP server: octets in, octets out; TLS may stand between.
class TcpServer final : public TestServer {
 public:
  struct Connection {
    base::FileDescriptor fd;
    Message in;
    void* ssl = nullptr;
    bool closing = false;
    std::shared_ptr<void> state;  // of who handles it
    Connection() = default;
    Connection(Connection&&) = delete;
    ~Connection();
    void send(base::Bytes bytes);
  };
  // Takes from `connection.in` what it can use.
  using Handler = std::function<void(Connection& connection)>;
  explicit TcpServer(Handler handler, void* tls = nullptr, std::uint16_t port = 0);
  void poll() override;
  std::uint16_t port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  void close_all();  // connections; new ones are still taken
  void close() { close_all(), fd_.reset(); }

  unsigned accepted = 0, resumed = 0;
  std::list<Connection> connections;

 private:
  bool serve(Connection& connection);
  Handler handler_;
  void* tls_;  // SSL_CTX
  base::FileDescriptor fd_;
  std::uint16_t port_ = 0;
};

// Of the frames of RFC 7766 that are whole.
TcpServer::Handler on_frames(std::function<void(TcpServer::Connection&, base::Bytes)> use);
Message framed(const Message& message);

struct Outcome {
  bool done = false;
  Message message;
  dns::Asking::Reply reply;
};

class World {
 public:
  explicit World(dns::Settings settings = {}, const dns::TrustStore* trust = nullptr,
                 base::IpAddress source4 = {});

  std::shared_ptr<Outcome> ask(const std::string& name, std::uint32_t set = 0,
                               std::uint16_t type = dns::type::a);
  // Runs until `until` holds; false: it did not within seconds of real time.
  bool run(const std::function<bool()>& until);
  void settle();  // until nothing has moved for a while
  void advance(base::Duration by);
  bool answered(const std::shared_ptr<Outcome>& outcome) {
    return run([&] { return outcome->done; });
  }

  base::Time now{std::chrono::hours(10)};
  boost::asio::io_context io;
  base::SocketPoller poller{io};
  SeededRandom random;
  std::array<dns::UpstreamCounters, dns::max_upstreams> counters;
  std::vector<TestServer*> servers;
  std::unique_ptr<dns::Upstreams> upstreams;

 private:
  void turn();
};

dns::Settings settings_of(std::vector<std::string> upstream);

}  // namespace culvert::test
