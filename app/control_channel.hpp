// ControlChannel: one end of the socketpair between the supervisor and a worker. Neither side ever
// waits for the other: what the socket does not take is kept up to a bound, and more is dropped.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <string>

#include "app/control_message.hpp"
#include "app/descriptor.hpp"

namespace culvert::app {

class ControlChannel : public std::enable_shared_from_this<ControlChannel> {
 public:
  using OnMessage = std::function<void(const ControlMessage& message)>;
  using OnClosed = std::function<void()>;  // the other side is gone, or talks nonsense

  // A connected, non-blocking pair. Throws std::system_error.
  static std::pair<Descriptor, Descriptor> make_pair();
  // Starts to read. Handlers are called from the io_context's run, never from here.
  static std::shared_ptr<ControlChannel> start(boost::asio::io_context& io, Descriptor socket,
                                               OnMessage on_message, OnClosed on_closed);

  // False if it was dropped: the other side has not read for too long.
  bool send(const ControlMessage& message);
  void close() noexcept;  // no handler is called any more; idempotent

 private:
  static constexpr std::size_t max_line = 64 << 10, max_unsent = 1 << 20;

  ControlChannel(boost::asio::io_context& io, Descriptor socket, OnMessage on_message,
                 OnClosed on_closed);
  void wait_readable();
  void wait_writable();
  void read_some();
  void write_some();
  bool deliver_lines();
  void fail();

  boost::asio::posix::stream_descriptor socket_;
  OnMessage on_message_;
  OnClosed on_closed_;
  std::string unread_, unsent_;
  bool writing_ = false;
  bool closed_ = false;
};

}  // namespace culvert::app
