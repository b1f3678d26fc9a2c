// FrameChannel: messages over a stream socket, each behind its length in four bytes. Between the
// supervisor and its children that are no workers.
#pragma once

#include <array>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

namespace culvert::control {

class FrameChannel : public std::enable_shared_from_this<FrameChannel> {
 public:
  static constexpr std::uint32_t max_frame = 1 << 20;
  using OnFrame = std::function<void(const std::string& frame)>;
  using OnEnd = std::function<void()>;

  // Takes the socket. `on_end` is called once, when the other side is gone or says nonsense; not
  // after close().
  static std::shared_ptr<FrameChannel> start(boost::asio::any_io_executor executor, int socket,
                                             OnFrame on_frame, OnEnd on_end);

  void send(std::string frame);
  void close();

 private:
  FrameChannel(boost::asio::any_io_executor executor, int socket, OnFrame on_frame, OnEnd on_end);
  void read_length();
  void read_frame();
  void write();
  void end();

  boost::asio::local::stream_protocol::socket socket_;
  OnFrame on_frame_;
  OnEnd on_end_;
  std::array<unsigned char, 4> length_{};
  std::string frame_;
  std::deque<std::string> outgoing_;
  bool closed_ = false;
};

}  // namespace culvert::control
