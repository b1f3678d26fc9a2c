// Relay: the sockets around two FaultLines. Every client address gets an upstream socket of its
// own, so that the server sees as many sources as there are clients, as behind a NAT.
//
// main.cpp turns it with an epoll loop; control.cpp changes it while it runs.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "relay/fault_line.hpp"

namespace culvert::relay {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;

  // "192.0.2.1:51820" or "[2001:db8::1]:51820"; throws std::invalid_argument.
  static Address parse(const std::string& text);
  std::string key() const;  // equal for equal addresses
};

// A file descriptor that closes itself.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  int get() const { return number_; }
  int release();

 private:
  int number_ = -1;
};

Time now();

class Relay {
 public:
  // `epoll` is told about every socket: data.u64 is 0 for the listener, else 1 + the session.
  Relay(int epoll, const Address& listen, const Address& upstream, std::uint64_t seed);

  void on_listener();
  void on_upstream(std::uint32_t session);
  // Sends what is due, keeps the session timers. Returns when it wants to be called again.
  std::optional<Time> tick();

  void rebind_all();
  // Sends the recorded datagrams of one direction again; as another source: from new sockets.
  std::size_t replay(bool up, bool other_source);

  FaultLine up, down;
  Time rebind_every{0};    // 0 = never
  Time mapping_expiry{0};  // 0 = never
  std::size_t record = 0;  // how many datagrams of each direction are kept
  std::uint64_t rebinds = 0;
  std::size_t sessions() const { return sessions_.size(); }

 private:
  struct Session {
    Address client;
    Descriptor upstream;
    Time bound_at{0}, active_at{0};
    bool expired = false;
  };

  std::uint32_t session_of(const Address& client);
  void bind_upstream(std::uint32_t session);
  bool mapping_is_gone(const Session& session, Time at) const;
  void remember(std::deque<Datagram>& tape, const Datagram& datagram);
  void send(int descriptor, const Address* to, const Datagram* const* first, std::size_t count);
  void send_all(bool towards_server, const std::vector<Datagram>& batch);

  int epoll_;
  Descriptor listener_;
  Address server_;
  std::vector<Session> sessions_;
  std::map<std::string, std::uint32_t> by_client_;
  std::deque<Datagram> tape_up_, tape_down_;
  std::vector<Datagram> batch_;
};

}  // namespace culvert::relay
