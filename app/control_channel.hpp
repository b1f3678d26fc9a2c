// ControlChannel: one end of the socketpair between the supervisor and a worker, line by line.
// Neither side ever waits for the other: what the socket does not take is kept up to a bound, and
// more is refused. Lines may hold keys: what was read and sent is wiped.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/file_descriptor.hpp"

namespace culvert::app {

// A string whose bytes do not stay behind when it grows, shrinks or goes.
class WipedText {
 public:
  WipedText() = default;
  ~WipedText() { drop(size()); }
  WipedText(const WipedText&) = delete;
  WipedText& operator=(const WipedText&) = delete;

  void append(std::string_view more);
  void drop(std::size_t from_front) noexcept;
  std::size_t size() const noexcept { return text_.size() - begin_; }
  std::string_view view() const noexcept { return std::string_view(text_).substr(begin_); }

 private:
  std::string text_;
  std::size_t begin_ = 0;  // what lies before it is zeros
};

class ControlChannel : public std::enable_shared_from_this<ControlChannel> {
 public:
  // The handler may change the line; it is wiped afterwards. False: it is nonsense, and ends the
  // channel.
  using OnLine = std::function<bool(std::string& line)>;
  using OnClosed = std::function<void()>;  // the other side is gone, or talks nonsense

  // How long a line from the other side may be, and how much may wait for it.
  struct Bounds {
    std::size_t line, unsent;
  };
  // The supervisor's end: workers say little; one of them may be told of thousands of peers.
  static constexpr Bounds to_worker{64 << 10, 512 << 20};
  // The worker's end: one line may hold thousands of egress rules.
  static constexpr Bounds to_supervisor{64 << 20, 1 << 20};

  // A connected, non-blocking pair. Throws std::system_error.
  static std::pair<base::FileDescriptor, base::FileDescriptor> make_pair();
  // Starts to read. Handlers are called from the io_context's run, never from here.
  static std::shared_ptr<ControlChannel> start(boost::asio::io_context& io,
                                               base::FileDescriptor socket, Bounds bounds,
                                               OnLine on_line, OnClosed on_closed);

  // `line` ends with a newline. False if it was dropped: the other side has not read for too long.
  bool send(std::string_view line);
  std::size_t unsent() const noexcept { return unsent_.size(); }
  // While it is held nothing more is read.
  void hold(bool held);
  void close() noexcept;  // no handler is called any more; idempotent

 private:
  ControlChannel(boost::asio::io_context& io, base::FileDescriptor socket, Bounds bounds,
                 OnLine on_line, OnClosed on_closed);
  void wait_readable();
  void wait_writable();
  void read_some();
  void write_some();
  bool deliver_lines();
  void fail();

  boost::asio::posix::stream_descriptor socket_;
  const Bounds bounds_;
  OnLine on_line_;
  OnClosed on_closed_;
  WipedText unread_, unsent_;
  std::size_t searched_ = 0;  // of unread_: has no newline
  bool writing_ = false, reading_ = false;
  bool held_ = false;
  bool closed_ = false;
};

}  // namespace culvert::app
