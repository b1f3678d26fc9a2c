// SocketPoller: waits for many host sockets by one epoll set that Asio waits for: those of all
// flows, and those of the DNS upstreams.
//
// Asio by itself makes a system call for every wait, and two more for every socket. Here a socket
// is added once, for both directions, and leaves by its close. The poller asks once in a loop turn
// and hands out a bounded number of events; arm() at the end of the turn lets the next one come.
#pragma once

#include <sys/epoll.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>

namespace culvert::base {

class SocketPoller {
 public:
  // Who waits. It may be told once more in the turn in which it closed its socket, so it must live
  // to the end of the turn.
  class Waiter {
   public:
    virtual ~Waiter() = default;
    virtual void on_ready(std::uint32_t events) noexcept = 0;  // EPOLLIN, EPOLLOUT, ...
  };

  explicit SocketPoller(boost::asio::io_context& io);  // throws std::system_error

  // Tells of every change: after an event the socket is quiet until more comes in, or until a send
  // that was refused would be taken. The waiter remembers what it left undone.
  bool add_for_changes(int fd, Waiter& waiter) noexcept;
  // Of such a socket: tells in the next turn what it is ready for, changed or not.
  void again(int fd, Waiter& waiter) noexcept;
  // Tells in every turn in which there is something to read.
  bool add_for_reading(int fd, Waiter& waiter) noexcept;

  void arm() noexcept;

 private:
  static constexpr int max_events = 64;
  void dispatch() noexcept;

  boost::asio::posix::stream_descriptor epoll_;
  bool armed_ = false;
};

}  // namespace culvert::base
