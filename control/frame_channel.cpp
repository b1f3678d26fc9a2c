#include "control/frame_channel.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

namespace culvert::control {

namespace asio = boost::asio;
using boost::system::error_code;

FrameChannel::FrameChannel(asio::any_io_executor executor, int socket, OnFrame on_frame,
                           OnEnd on_end)
    : socket_(std::move(executor), asio::local::stream_protocol(), socket),
      on_frame_(std::move(on_frame)),
      on_end_(std::move(on_end)) {}

std::shared_ptr<FrameChannel> FrameChannel::start(asio::any_io_executor executor, int socket,
                                                  OnFrame on_frame, OnEnd on_end) {
  std::shared_ptr<FrameChannel> channel(
      new FrameChannel(std::move(executor), socket, std::move(on_frame), std::move(on_end)));
  channel->read_length();
  return channel;
}

void FrameChannel::send(std::string frame) {
  if (closed_ || frame.size() > max_frame) return;
  const auto size = std::uint32_t(frame.size());
  std::string out{char(size >> 24), char(size >> 16), char(size >> 8), char(size)};
  out += frame;
  outgoing_.push_back(std::move(out));
  if (outgoing_.size() == 1) write();
}

void FrameChannel::write() {
  asio::async_write(socket_, asio::buffer(outgoing_.front()),
                    [self = shared_from_this()](error_code error, std::size_t) {
                      if (error || self->closed_) return self->end();
                      self->outgoing_.pop_front();
                      if (!self->outgoing_.empty()) self->write();
                    });
}

void FrameChannel::read_length() {
  asio::async_read(socket_, asio::buffer(length_),
                   [self = shared_from_this()](error_code error, std::size_t) {
                     if (error || self->closed_) return self->end();
                     self->read_frame();
                   });
}

void FrameChannel::read_frame() {
  std::uint32_t size = 0;
  for (const unsigned char byte : length_) size = size << 8 | byte;
  if (size > max_frame) return end();
  frame_.resize(size);
  asio::async_read(socket_, asio::buffer(frame_),
                   [self = shared_from_this()](error_code error, std::size_t) {
                     if (error || self->closed_) return self->end();
                     self->on_frame_(self->frame_);
                     if (!self->closed_) self->read_length();
                   });
}

void FrameChannel::close() {
  closed_ = true;
  error_code ignored;
  socket_.close(ignored);
}

void FrameChannel::end() {
  if (closed_) return;
  close();
  on_end_();
}

}  // namespace culvert::control
